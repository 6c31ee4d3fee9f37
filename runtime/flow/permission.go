package flow

// denied counts somebody who was turned away, which is all that happens.
func (e *Engine) denied(ev Denied) {
	if s := e.sockets[ev.Socket]; s != nil {
		s.denials++
	}
}
