"""Taskyard: a task queue on Redis and Valkey that you can see into."""

from queue_core.context import Context, Signals
from queue_core.errors import (
    AccessDenied,
    Cancelled,
    ConfigurationError,
    CorruptQueue,
    DeadLetter,
    Discard,
    DuplicateTaskName,
    FormatMismatch,
    HardTimeout,
    InvalidArgument,
    InvalidName,
    InvalidPayload,
    InvalidResult,
    LeaseLost,
    OperationEnded,
    PayloadMismatch,
    PayloadTooLarge,
    QueueFull,
    QueueNotEmpty,
    RateLimited,
    ResultExpired,
    ResultTimeout,
    ResultUnavailable,
    Retry,
    ServerFull,
    ServerRefused,
    ServerUnavailable,
    SoftTimeout,
    Stale,
    TaskCancelled,
    TaskExpired,
    TaskFailed,
    TaskyardError,
    TooManyOperations,
    UnknownFault,
    UnknownOperation,
    UnknownQueue,
    UnknownSchedule,
    UnknownTask,
    UnreadableEnvelope,
    UnreadableSchedule,
    UnsafeServer,
)
from queue_core.retry import exponential, fixed, never
from queue_core.snapshot import State
from queue_core.task import Message
from queue_core.yard import Queue, Task, TaskHandle, Taskyard

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022 (in groups, as one reads them)
    # Declaring and enqueueing.
    "Taskyard", "Task", "TaskHandle", "Message", "Context", "Signals", "Queue", "State",
    # When a failed task runs again.
    "exponential", "fixed", "never",
    # Raised by handlers.
    "Cancelled", "DeadLetter", "Discard", "Retry", "SoftTimeout", "HardTimeout",
    # Raised by `handle.result()`.
    "ResultExpired", "ResultTimeout", "ResultUnavailable", "TaskCancelled", "TaskExpired", "TaskFailed",
    # Raised by Taskyard.
    "TaskyardError", "AccessDenied", "ConfigurationError", "CorruptQueue", "DuplicateTaskName", "FormatMismatch",
    "InvalidArgument", "InvalidName", "InvalidPayload", "InvalidResult", "LeaseLost", "OperationEnded",
    "PayloadMismatch", "PayloadTooLarge", "QueueFull", "QueueNotEmpty", "RateLimited", "ServerFull", "ServerRefused",
    "ServerUnavailable", "Stale", "TooManyOperations", "UnknownFault", "UnknownOperation", "UnknownQueue",
    "UnknownSchedule", "UnknownTask", "UnreadableEnvelope", "UnreadableSchedule", "UnsafeServer",
    "__version__",
]  # fmt: skip
