"""The life of a prediction as a state machine of values. Pure: no I/O, no clock, no chance."""
