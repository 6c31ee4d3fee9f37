package flow

// shutdown stops the services, then the sockets: an owner that is still running
// may finish what it accepted.
func (e *Engine) shutdown(ev Shutdown) {
	w := why{text: ev.Cause}
	if e.stopping {
		e.hurried = true
		for _, svc := range e.order.services {
			for _, in := range svc.instances {
				e.killAll(in)
			}
		}
		return
	}
	e.stopping = true
	for _, t := range e.order.timers {
		e.stopTimer(t, w)
	}
	for _, s := range e.order.sockets {
		if s.state == SocketListening {
			e.emit(Unwatch{s.def.Name})
		}
	}
	for _, svc := range e.order.services {
		e.stopService(svc, w)
	}
	for _, s := range e.order.sockets {
		if s.state == SocketStarting { // no reason to open it any more
			e.stopSocket(s, w)
		}
	}
}

// continueShutdown takes the next step of a shutdown as soon as it can be taken.
func (e *Engine) continueShutdown() {
	if e.servicesUp > 0 {
		return
	}
	if !e.closing {
		e.closing = true
		for _, s := range e.order.sockets {
			e.stopSocket(s, why{text: "shutdown"})
		}
	}
	if e.socketsUp == 0 {
		e.exited = true
		e.emit(Exit{})
	}
}
