"""Programs of the peers, in the venv `.peers`: what a user of each queue would write.

All share the front, the body it checks, the calls to ComfyUI and how a result is written; they
differ in the queue in between.
"""
