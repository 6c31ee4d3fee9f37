package flow

// evaluated takes in the output of a program that makes a payload.
func (e *Engine) evaluated(Evaluated) {}
