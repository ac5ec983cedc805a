"""The same 300 steps of 1 kB in LangGraph: in memory, and with its SQLite saver. Prints one JSON document."""
import json
import operator
import os
import statistics
import sys
import tempfile
import time
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

STEPS = 300


class State(TypedDict):
    lines: Annotated[list, operator.add]
    n: int


def build(saver):
    graph = StateGraph(State)
    graph.add_node("add", lambda state: {"lines": ["x" * 1000], "n": state["n"] + 1})
    graph.add_edge(START, "add")
    graph.add_conditional_edges("add", lambda state: END if state["n"] >= STEPS else "add")
    return graph.compile(checkpointer=saver)


def run(saver):
    app = build(saver)
    config = {"recursion_limit": STEPS + 10, "configurable": {"thread_id": "1"}}
    begin = time.perf_counter()
    result = app.invoke({"lines": [], "n": 0}, config)
    assert result["n"] == STEPS
    return (time.perf_counter() - begin) / STEPS * 1e6


def main():
    folder, rounds = sys.argv[1], int(sys.argv[2])
    memory, durable, size = [], [], 0
    for _ in range(rounds):
        memory.append(run(None))
        with tempfile.TemporaryDirectory(dir=folder) as home:
            path = os.path.join(home, "checkpoints.db")
            with SqliteSaver.from_conn_string(path) as saver:
                durable.append(run(saver))
            size = sum(os.path.getsize(os.path.join(home, f)) for f in os.listdir(home))
    print(json.dumps({"steps": STEPS, "rounds": rounds, "memory_us_per_step": round(statistics.median(memory), 1),
                      "durable_us_per_step": round(statistics.median(durable), 1),
                      "bytes_per_step": round(size / STEPS)}))


main()
