"""`python -m apps.oversight.gateway`: the gateway as a process, until SIGTERM."""

from __future__ import annotations

import logging

import uvicorn

from apps.oversight.gateway.server import Application
from apps.oversight.gateway.settings import GatewaySettings


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = GatewaySettings.from_environment()
    uvicorn.run(
        Application(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        timeout_graceful_shutdown=5,
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
