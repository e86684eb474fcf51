"""`python -m webhook_gateway [--role all|api|worker]`"""

import sys

from shared.web import run_service
from webhook_gateway.app import create_app
from webhook_gateway.server import serve
from webhook_gateway.settings import GatewaySettings

if __name__ == "__main__":
    sys.exit(run_service("webhook-gateway", GatewaySettings, create_app, serve))
