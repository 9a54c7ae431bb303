"""Words to moves and operations, and moves to words: pure."""
