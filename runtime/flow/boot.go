package flow

// boot opens what the plan wants open from the start. States that are set
// already count as levels (SPEC §4.2, §8), and what follows from them is made
// first. What rind@active names starts whatever its conditions say (S41).
func (e *Engine) boot() {
	e.booted = true
	for _, st := range e.order.derived {
		e.soil(st)
	}
	e.settleStates()
	for i := range e.changes {
		e.announce(&e.changes[i])
	}
	e.discard()
	active := e.markActive()
	w := why{text: "plan start"}
	for _, r := range e.units {
		switch {
		case r.socket != nil:
			def := r.socket.def
			wanted := def.Enabled && (def.StartOn == nil || e.holds(def.StartOn))
			if (wanted || active[r]) && !e.holds(def.StopOn) {
				e.startSocket(r.socket, w)
			}
		case !r.service.startsUnasked() && !active[r] && !e.holds(r.startOn) || e.holds(r.stopOn):
		case active[r]:
			e.startNamed(r.service, w)
		default:
			e.startService(r.service, w)
		}
	}
}
