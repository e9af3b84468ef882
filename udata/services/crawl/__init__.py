"""The crawl: whether what resources name elsewhere can still be had."""
