"""Which failures are meant, as pages are filtered: for whatever lists them, or would act on them."""

from __future__ import annotations

from typing import Annotated

from dashboard.api.values import UNSET, Meta, Moment, Name, Query, UnsetType, ms_of
from dashboard.fault_filter import MOST_CLASS, FaultFilter
from dashboard.parameters import MOST_TEXT

Text = Annotated[str, Meta(max_length=MOST_TEXT)]


class ChosenQuery(Query, frozen=True):
    queue: Annotated[Name, Meta(description="Only of this queue.")] | UnsetType = UNSET
    task: Annotated[Text, Meta(description="Only of this task name.")] = ""
    error_class: Annotated[str, Meta(max_length=MOST_CLASS, description="Only of this class of exceptions.")] = ""
    text: Annotated[Text, Meta(description="Only of faults in whose error, task, queue or frame this stands.")] = ""
    since: Annotated[Moment, Meta(description="Only letters that died at or after this.")] | UnsetType = UNSET
    until: Annotated[Moment, Meta(description="Only letters that died at or before this.")] | UnsetType = UNSET

    @property
    def filter(self) -> FaultFilter:
        return FaultFilter(
            queue=self.queue or "",
            task=self.task.strip(),
            error_class=self.error_class.strip(),
            text=self.text.strip(),
            since=None if isinstance(self.since, UnsetType) else ms_of(self.since),
            until=None if isinstance(self.until, UnsetType) else ms_of(self.until),
        )
