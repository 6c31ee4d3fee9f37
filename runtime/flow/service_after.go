package flow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/plan"
)

// A service that comes after others is spawned once each of them is active; until
// then it waits, however it was started, and nothing starts the others because of
// it. When one of them is stopped or ends for good, the services after it end
// too, before the one that is stopped, and wait for it to come back. A restart by
// its policy is no end.

// missing returns the services that are not active and have to be.
func (svc *service) missing() []plan.Name {
	var names []plan.Name
	for _, d := range svc.after {
		if !d.isActive() {
			names = append(names, d.def.Name)
		}
	}
	return names
}

func waitsFor(missing []plan.Name) string {
	text := make([]string, len(missing))
	for i, name := range missing {
		text[i] = string(name)
	}
	return "waits for " + strings.Join(text, ", ")
}

func (svc *service) isActive() bool {
	return slices.ContainsFunc(svc.instances, func(in *instance) bool { return in.state == ServiceActive })
}

// stays reports whether an instance of a service is meant to be up.
func (svc *service) stays() bool {
	return !svc.ceasing && slices.ContainsFunc(svc.instances, func(in *instance) bool {
		return in.engaged() && (in.state != ServiceStopping || in.again)
	})
}

// leave is told that an instance is being stopped, or is down. If that was the
// last one that was meant to be up, what comes after the service ends.
func (e *Engine) leave(svc *service, depth int) {
	if !svc.up || svc.stays() {
		return
	}
	svc.up = false
	e.serviceDown(svc)
	w := why{text: "service " + string(svc.def.Name) + " is not active any more", depth: depth}
	for _, d := range svc.dependants {
		d.ceasing = true
		for _, in := range slices.Clone(d.instances) {
			if in.blocked && !in.hasProcess() || !in.engaged() || in.state == ServiceStopping {
				continue // it waits for it anyway, or ends already
			}
			in.wanted = append(in.wanted, w) // when it is back
			e.endInstance(in, w, "failed: "+w.text)
		}
		d.ceasing = false
	}
}

// unblockDependants lets the services go on that have waited for this one.
func (e *Engine) unblockDependants(svc *service) {
	cause := "service " + string(svc.def.Name) + " is active"
	for _, d := range svc.dependants {
		for _, in := range slices.Clone(d.instances) {
			if in.blocked {
				e.proceed(in, cause)
				e.gather(in)
			}
		}
	}
}

// gain and lose count the processes of a service. With the last one of its
// dependants, a service that is being stopped is told to end.
func (e *Engine) gain(svc *service) {
	if svc.running++; svc.running > 1 {
		return
	}
	for _, d := range svc.after {
		d.leaning++
	}
}

func (e *Engine) lose(svc *service) {
	if svc.running--; svc.running > 0 {
		return
	}
	for _, d := range svc.after {
		if d.leaning--; d.leaning == 0 {
			e.endDeferred(d)
		}
	}
}

// endDeferred tells the instances to end that have waited for the end of what
// comes after their service.
func (e *Engine) endDeferred(svc *service) {
	for _, in := range svc.instances {
		if in.deferred {
			in.deferred = false
			e.endProcesses(in)
		}
	}
}

// disappoint answers those who wait for an instance that waits for a service
// which nobody starts. It waits on.
func (e *Engine) disappoint(in *instance) {
	if !in.blocked || len(in.waiting) == 0 {
		return
	}
	e.inquiry++
	for _, d := range in.service.after {
		if !d.isActive() && !d.isComing(e.inquiry) {
			e.answerInstance(in, Failed, "failed: it waits for service "+string(d.def.Name)+", which is "+d.describe())
			return
		}
	}
}

// describe says in which state a service is, and why.
func (svc *service) describe() string {
	state := svc.state()
	i := slices.IndexFunc(svc.instances, func(in *instance) bool { return in.state == state && in.reason != "" })
	if i < 0 {
		return string(state)
	}
	return fmt.Sprintf("%s (%s)", state, svc.instances[i].reason)
}

// disappointDependants looks at everything that waits for a service which may
// not come any more.
func (e *Engine) disappointDependants(svc *service) {
	if len(svc.dependants) == 0 {
		return
	}
	seen := map[*service]bool{svc: true}
	for queue := []*service{svc}; len(queue) > 0; queue = queue[1:] {
		for _, d := range queue[0].dependants {
			if seen[d] || !d.isBlocked() {
				continue
			}
			seen[d] = true
			queue = append(queue, d)
			for _, in := range d.instances {
				e.disappoint(in)
			}
		}
	}
}

func (svc *service) isBlocked() bool {
	return slices.ContainsFunc(svc.instances, func(in *instance) bool { return in.blocked })
}

// isComing reports whether a service becomes active without anybody's doing,
// unless its next start fails. An inquiry asks each service once, however they come after each other.
func (svc *service) isComing(inquiry uint64) bool {
	if svc.inquiry == inquiry {
		return svc.coming
	}
	svc.inquiry, svc.coming = inquiry, false // that is for a circle, which rindc refuses
	svc.coming = slices.ContainsFunc(svc.instances, func(in *instance) bool {
		switch {
		case in.state == ServiceStopping:
			return in.again || len(in.wanted) > 0
		case in.state == ServiceWaiting && in.stumbled && !in.blocked:
			return false
		case in.blocked:
			return !slices.ContainsFunc(svc.after, func(d *service) bool { return !d.isActive() && !d.isComing(inquiry) })
		}
		return in.engaged()
	})
	return svc.coming
}
