"""What it takes to be answered: rights to do an operation to a kind of resource, by name."""

from __future__ import annotations

from typing import NamedTuple

from tidings.security.rules import Operation, ResourceType


class Right(NamedTuple):
    """To do an operation to a resource of some type."""

    operation: Operation
    resource_type: ResourceType


CREATE_CLUSTER = Right(Operation.CREATE, ResourceType.CLUSTER)
DELETE_CLUSTER = Right(Operation.DELETE, ResourceType.CLUSTER)
ALTER_CLUSTER = Right(Operation.ALTER, ResourceType.CLUSTER)
DESCRIBE_CLUSTER = Right(Operation.DESCRIBE, ResourceType.CLUSTER)
DESCRIBE_CONFIGS_CLUSTER = Right(Operation.DESCRIBE_CONFIGS, ResourceType.CLUSTER)
ALTER_CONFIGS_CLUSTER = Right(Operation.ALTER_CONFIGS, ResourceType.CLUSTER)
IDEMPOTENT_WRITE_CLUSTER = Right(Operation.IDEMPOTENT_WRITE, ResourceType.CLUSTER)
CLUSTER_ACTION_CLUSTER = Right(Operation.CLUSTER_ACTION, ResourceType.CLUSTER)
READ_GROUP = Right(Operation.READ, ResourceType.GROUP)
DELETE_GROUP = Right(Operation.DELETE, ResourceType.GROUP)
DESCRIBE_GROUP = Right(Operation.DESCRIBE, ResourceType.GROUP)
READ_TOPIC = Right(Operation.READ, ResourceType.TOPIC)
WRITE_TOPIC = Right(Operation.WRITE, ResourceType.TOPIC)
CREATE_TOPIC = Right(Operation.CREATE, ResourceType.TOPIC)
DELETE_TOPIC = Right(Operation.DELETE, ResourceType.TOPIC)
ALTER_TOPIC = Right(Operation.ALTER, ResourceType.TOPIC)
DESCRIBE_TOPIC = Right(Operation.DESCRIBE, ResourceType.TOPIC)
DESCRIBE_CONFIGS_TOPIC = Right(Operation.DESCRIBE_CONFIGS, ResourceType.TOPIC)
WRITE_TRANSACTION = Right(Operation.WRITE, ResourceType.TRANSACTIONAL_ID)
DESCRIBE_TRANSACTION = Right(Operation.DESCRIBE, ResourceType.TRANSACTIONAL_ID)
