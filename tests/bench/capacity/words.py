"""The page's sentences; the figures in them come in by name."""

HEAD = """\
# Capacity

*Written by `make capacity` from [its results](capacity/results.json), and typed by nobody. Nothing
here was measured on GPUs: it is a simulation, seed {seed}, and as good as what it
[was told](#what-it-was-told).*

Working days of a studio, on fleets of 1 to 1,000 GPUs: what tasks wait, how much of the GPUs' time
is work, what 1,000 pictures cost, and which settings follow. The order of turns in ComfyUI, the
pace of paid calls, the requests of a task, prices and defaults are the product's own code; scaling
is as in `deploy/cloudformation/short-drama.yaml`. Waiting is all that is not a task's own run in
the engine, from its submit until its end. Every fleet of a size meets the same tasks at the same
times. Tests hold the simulation to the product's real classes on a clock that leaps, where the
queue is known, and to what queueing theory says of one machine.

Not modelled: a region that has no more spot instances, quotas, prices that change within a day,
tasks that fail, cancels, owners' shares, pictures of unusual size, slow networks, and SQS's own
delays. AWS does not publish how target tracking reckons: its user guide is taken at its word.

"""

SETTINGS = """\
What is cheap makes people wait, so the best depends on what waiting costs. *Best* is the setting
with the least for GPUs and waiting together, if an hour that one task waits costs {worths} cents.
*Flat* are those around it that cost at most {flat:g} % more, at {worth:g} cents: a batch of 40 that
waits an hour less is then worth ${batch:.2f}. Of the H100, whose price is not in our table, it is
waiting alone. The last column is by how much today's default is above the best, for each price of
waiting. The delay before zero is no parameter of the template: target tracking has no such
thing. Why a default is what it is, is in
[decision 57](decisions/0057-capacity-is-simulated.md)."""

SIZES = """\
With the template's defaults, and dollars for 1,000 pictures. On one GPU tasks mostly wait for each
other: a batch of 40 alone takes {batch:.0f} minutes of a T4. Large fleets smooth their batches, and
what is left is the time until instances have started.

![What tasks wait](capacity/waits.svg)

![What pictures cost](capacity/dollars.svg)"""

AWS = """\
For 1,000 GPU tasks on `{instance}`, beside the GPUs, in US dollars: requests as [costs](costs.md)
counts them, and tests at the wire, with a write of the record each {beat} s that an adapter has a
task in its hands, and with the polls of adapters. A result is kept for a month and sent once. What
always runs (orchestrator, CPU lane, load balancer) is in [AWS](aws.md#what-it-costs)."""

TARGET = """\
How many tasks, waiting or running, there are for each instance before another one starts. *An hour
less* is what each hour that a task waits less costs in GPU time, beside the next larger target.

![GPU time and waiting](capacity/target.svg)"""

ZERO = """\
Minutes without any task until the last instance goes. The alarm that takes it away has been on for
long by then, for a little work is below the target as well: as we read AWS's documentation, the
last instance goes in the first minute without a task. That is 0 here."""

TURNS = """\
Three settings of the turns in ComfyUI: the messages that an adapter holds, among which the order is
chosen; the longest that a task is passed over for the sake of loaded models; the prompts in ComfyUI
at a time. Where both kinds load the same models, only the first of them matters."""

SURROUNDINGS = """\
What nobody knows beforehand, with 10 `{instance}` at most."""

PROVIDERS = """\
Face swaps of two paid calls each, by one CPU instance: its lane does not grow with its work, for an
account's limits do not. Seconds from submit to end, p95, by calls in flight at each provider
(`SHORT_DRAMA_QWEN_IN_FLIGHT` and `SHORT_DRAMA_SEEDREAM_IN_FLIGHT`, with `SHORT_DRAMA_CPU_PARALLEL`
twice as many); the first column is the default. *Too many* are those of which more than one in a
hundred is left at the end."""

INPUTS = """\
Another studio has other figures: change them in `tests/bench/capacity/inputs.py`, and run
`make capacity`."""
