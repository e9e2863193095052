"""Operations of the API, and the checks that all of them pass."""
