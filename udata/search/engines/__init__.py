"""The search engines behind one interface: Elasticsearch or OpenSearch, and the embedded one."""
