"""What an application holds: its Taskyard, the tasks that it declares there, and what their enqueues give back."""

from queue_core.yard.declared import Task as Task
from queue_core.yard.handle import TaskHandle as TaskHandle
from queue_core.yard.queue import Queue as Queue
from queue_core.yard.taskyard import Taskyard as Taskyard
