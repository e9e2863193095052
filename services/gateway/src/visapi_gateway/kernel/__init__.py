"""What every slice stands on: the server, the operations, who may call them."""
