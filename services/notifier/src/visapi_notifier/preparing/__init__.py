"""From the input of a task to a request that can be sent."""
