"""What tests share: real servers, waiting for conditions."""
