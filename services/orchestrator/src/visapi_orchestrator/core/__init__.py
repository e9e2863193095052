"""What a batch means, decided without touching anything: pure."""
