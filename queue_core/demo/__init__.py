"""The demo: bundled tasks, a producer, and a runner that brings up all of Taskyard in one terminal."""
