"""The metrics that the objectives of a release ask for, as a stack would show them."""

from dataclasses import dataclass

BUCKETS = ("0.1", "1", "10", "+Inf")


@dataclass
class ReleaseMetrics:
    """A page of metrics; each reading is ten more requests, of which some fail."""

    pod: str = "visapi-gateway-1"
    failing: float = 0.0
    slow: bool = False
    connected: int = 1
    silent: bool = False
    _requests: float = 0.0
    _failed: float = 0.0
    _fast: float = 0.0

    def page(self) -> str:
        if not self.silent:
            self._requests += 10
            self._failed += 10 * self.failing
            self._fast += 0 if self.slow else 10
        labels = f'namespace="visapi", pod="{self.pod}"'
        lines = [
            f'http_server_request_duration_seconds_count{{{labels}, http_response_status_code="200"}} {self._requests - self._failed}',
            f"visapi_nats_connected{{{labels}}} {self.connected}",
        ]
        if self._failed:
            lines.append(
                f'http_server_request_duration_seconds_count{{{labels}, http_response_status_code="503"}} {self._failed}'
            )
        for name in ("accept_commit", "transition", "timer_lag"):
            lines += [
                f'visapi_{name}_seconds_bucket{{{labels}, le="{le}"}} {self._requests if le == "+Inf" else self._fast}'
                for le in BUCKETS
            ]
        return "\n".join(lines) + "\n"
