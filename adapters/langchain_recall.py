"""Recall as a LangChain tool.

Takes a Memory, or a function that finds the one of the current run; gives a
StructuredTool that models call with a question or with marks. Knows nothing
of agents or graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from langchain_core.tools import StructuredTool, ToolException

from sfumato.echoes import TOOL_NAME
from sfumato.errors import InputError
from sfumato.memory import Memory
from sfumato.recall import TOOL_DESCRIPTION, TOOL_PARAMETERS


def recall_tool(memory: Memory | Callable[[], Memory]) -> StructuredTool:
    """The tool with which a model fetches earlier turns word for word.

    ``memory`` is asked at each call when it is a function. Arguments that make
    no sense come back to the model as an error it can mend.
    """

    def find() -> Memory:
        return memory if isinstance(memory, Memory) else memory()

    def recall_memory(**arguments: Any) -> str:
        try:
            return find().recall_tool(arguments)
        except InputError as problem:
            raise ToolException(str(problem)) from problem

    async def arecall_memory(**arguments: Any) -> str:
        try:
            return await find().arecall_tool(arguments)
        except InputError as problem:
            raise ToolException(str(problem)) from problem

    return StructuredTool.from_function(
        recall_memory,
        arecall_memory,
        name=TOOL_NAME,
        description=TOOL_DESCRIPTION,
        # A copy, since binding with strict=True rewrites the schema in place.
        args_schema=deepcopy(TOOL_PARAMETERS),
        handle_tool_error=True,
    )
