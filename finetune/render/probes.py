"""Small conversations by which a renderer finds out what its template does."""

from __future__ import annotations

EXCHANGE = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})
# A conversation with a tool; what a template that knows tools must write down of it.
TOOL_NAME, TOOL_VALUE, TOOL_RESULT = "probe_tool", "probe_value", "probe_result"
TOOLS = (
    {
        "type": "function",
        "function": {
            "name": TOOL_NAME,
            "description": "A probe.",
            "parameters": {"type": "object", "properties": {"probe_key": {"type": "string"}}},
        },
    },
)
_CALL = {"type": "function", "function": {"name": TOOL_NAME, "arguments": {"probe_key": TOOL_VALUE}}}
CALLING = (
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "", "tool_calls": [_CALL]},
    {"role": "tool", "content": TOOL_RESULT, "name": TOOL_NAME},
    {"role": "assistant", "content": "b"},
)
