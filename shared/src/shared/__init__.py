"""The common package of all services."""

from shared.config import SERVICE_PORTS, SERVICES, CommonConfig, get_common_config, get_service_url
from shared.database import (
    BaseRepository,
    SimpleDatabase,
    SimpleMigrationManager,
    Tx,
    get_database,
    init_database,
    query,
    tenant_tx,
)
from shared.models import *  # noqa: F403  # the public names are models.__all__
from shared.models import __all__ as _model_names
from shared.utils import *  # noqa: F403
from shared.utils import __all__ as _util_names

__all__ = [
    "SERVICES",
    "SERVICE_PORTS",
    "BaseRepository",
    "CommonConfig",
    "SimpleDatabase",
    "SimpleMigrationManager",
    "Tx",
    "get_common_config",
    "get_database",
    "get_service_url",
    "init_database",
    "query",
    "tenant_tx",
    *_model_names,
    *_util_names,
]
