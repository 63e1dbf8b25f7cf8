"""The only place that runs queries and that puts results in their place."""
