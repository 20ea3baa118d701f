"""Status: results, the queue and the attempts give one verdict per shard."""
