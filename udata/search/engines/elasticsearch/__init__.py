"""Elasticsearch and OpenSearch, through the one official client."""
