package flow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/cond"
)

// A service has one instance; or, with singleton = false, one for each start,
// numbered from 1; or, with branching, one for each branch of a state, named by a
// key of it. An instance with a number is gone when it is down, one of a branch
// when the branch is gone, too.

// indexServices connects the services with those that they come after and with
// the states that they branch over.
func (e *Engine) indexServices() {
	for _, svc := range e.order.services {
		if svc.leaving {
			continue
		}
		for _, name := range svc.def.After {
			if other := e.services[name]; other != nil && !other.leaving && !slices.Contains(svc.after, other) {
				svc.after = append(svc.after, other)
				other.dependants = append(other.dependants, svc)
				other.leaning += up(svc.running > 0)
			}
		}
		if b := svc.def.Branching; b != nil {
			e.branching[b.State] = append(e.branching[b.State], svc)
		}
	}
}

// startServiceByName starts a service because somebody named it: of one with
// several instances, another one, or one for each branch.
func (e *Engine) startServiceByName(name plan.Name, w why) { e.startInstanceByName(name, "", w) }

func (e *Engine) startInstanceByName(name plan.Name, instance string, w why) {
	svc, ok := e.services[name]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such service: %s", name))
	case svc.accepting:
		e.refuse(w, Failed, svc.onlyAccepts())
	case instance != "":
		if in := e.instanceNamed(svc, instance); in != nil && !in.gone {
			e.startInstance(in, w)
			return
		}
		e.refuse(w, Unknown, fmt.Sprintf("no such instance of service %s: %s", name, instance))
	case svc.def.Branching != nil:
		svc.wanted = true
		e.startBranches(svc, e.branchNames(svc, func(*branch) bool { return true }), w)
	case svc.def.Multiple:
		e.startAnother(svc, w)
	default:
		e.startInstance(svc.named[""], w)
	}
}

// startService starts a service because of a condition or an access. Of one with
// several instances nothing is started while one is up, and of one with branching
// the branches that its own condition wants.
func (e *Engine) startService(svc *service, w why) {
	switch {
	case svc.accepting:
		e.refuse(w, Failed, svc.onlyAccepts())
	case svc.def.Branching != nil:
		svc.wanted = true
		e.startBranches(svc, e.branchNames(svc, func(b *branch) bool { return !svc.judged || e.branchEdge(svc, b) }), w)
	case !svc.def.Multiple:
		e.startInstance(svc.named[""], w)
	case svc.stays():
		e.respond(w, Unchanged, "already active")
	default:
		e.startAnother(svc, w)
	}
}

// startNamed starts a service because rind@active or rind@activate names it: one
// with branching for all its branches, any other one as a condition does.
func (e *Engine) startNamed(svc *service, w why) {
	if svc.def.Branching != nil {
		e.startServiceByName(svc.def.Name, w)
		return
	}
	e.startService(svc, w)
}

func (e *Engine) startAnother(svc *service, w why) {
	if e.stopping {
		e.respond(w, Failed, "failed: the daemon is shutting down")
		return
	}
	svc.numbered++
	e.startInstance(svc.add(strconv.FormatUint(svc.numbered, 10)), w)
}

func (e *Engine) startBranches(svc *service, names []string, w why) {
	if len(names) == 0 {
		e.respond(w, Done, fmt.Sprintf("waits for branches of state %s", svc.def.Branching.State))
		return
	}
	w = w.shared(len(names))
	for _, name := range names {
		e.startBranch(svc, name, w)
	}
}

// startBranch starts the instance for a branch, or remembers that there is no
// room for it.
func (e *Engine) startBranch(svc *service, name string, w why) {
	in := svc.named[name]
	if in == nil {
		in = svc.add(name)
	}
	in.gone = false
	if full := svc.full(); full != "" && !in.engaged() && !e.stopping && !slices.Contains(svc.leftOut, name) {
		svc.leftOut = append(svc.leftOut, name)
		in.reason = full
		e.report("too many instances", in.title(), full+"; it is started when another one has ended")
	}
	e.startInstance(in, w)
}

// full says why no further instance can be started, or is empty.
func (svc *service) full() string {
	if b := svc.def.Branching; b != nil && b.MaxInstances > 0 && svc.engaged >= b.MaxInstances {
		return fmt.Sprintf("max-instances is %d", b.MaxInstances)
	}
	return ""
}

// stopServiceByName stops every instance of a service.
func (e *Engine) stopServiceByName(name plan.Name, w why) { e.stopInstanceByName(name, "", w) }

func (e *Engine) stopInstanceByName(name plan.Name, instance string, w why) {
	svc, ok := e.services[name]
	switch {
	case !ok:
		e.refuse(w, Unknown, fmt.Sprintf("no such service: %s", name))
	case instance == "":
		e.stopService(svc, w)
	default:
		if in := e.instanceNamed(svc, instance); in != nil {
			svc.leftOut = slices.DeleteFunc(svc.leftOut, func(s string) bool { return s == instance })
			e.stopInstance(in, w)
			return
		}
		e.refuse(w, Unknown, fmt.Sprintf("no such instance of service %s: %s", name, instance))
	}
}

// stopService stops every instance of a service.
func (e *Engine) stopService(svc *service, w why) {
	svc.wanted, svc.leftOut = false, nil
	if len(svc.instances) == 0 {
		e.respond(w, Unchanged, "already inactive")
		return
	}
	w = w.shared(len(svc.instances))
	svc.ceasing = true
	for _, in := range slices.Clone(svc.instances) { // those that are down at once may be dropped
		e.stopInstance(in, w)
	}
	svc.ceasing = false
}

// drop forgets an instance that is down for good, and gives its room to another.
func (e *Engine) drop(in *instance) {
	svc := in.service
	if svc.single || in.engaged() {
		return
	}
	if in.gone && in.state == ServiceFailed {
		e.moveInstance(in, ServiceInactive, "its branch is gone", false)
	}
	if in.gone || svc.def.Branching == nil {
		delete(svc.named, in.name)
		svc.instances = slices.DeleteFunc(svc.instances, func(other *instance) bool { return other == in })
	}
	if len(svc.leftOut) == 0 || svc.full() != "" || e.stopping {
		return
	}
	name := svc.leftOut[0]
	svc.leftOut = svc.leftOut[1:]
	e.startBranch(svc, name, why{text: "instance " + in.title() + " has ended", depth: in.depth})
}

// branchName is the name of the instance for a branch.
func (svc *service) branchName(b *branch) (string, bool) {
	switch key := b.keys[svc.def.Branching.Key].(type) {
	case nil:
		return "", false
	case string:
		return key, true
	default:
		text, err := cond.Canonical(key)
		return text, err == nil
	}
}

// branchNames returns the names of the instances that the wanted branches of the
// state have now, each once.
func (e *Engine) branchNames(svc *service, wanted func(*branch) bool) []string {
	st := e.states[svc.def.Branching.State]
	if st == nil {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for i := range st.branches {
		b := &st.branches[i]
		if name, ok := svc.branchName(b); ok && !seen[name] && wanted(b) {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// instanceNamed returns an instance, which may be one for a branch that has never
// been started.
func (e *Engine) instanceNamed(svc *service, name string) *instance {
	if in := svc.named[name]; in != nil || svc.def.Branching == nil {
		return in
	}
	if slices.Contains(e.branchNames(svc, func(*branch) bool { return true }), name) {
		return svc.add(name)
	}
	return nil
}

// branchChanged is told what became of a branch of a state: the instances for it
// follow.
func (e *Engine) branchChanged(st *state, b branch, removed bool, w why) {
	for _, svc := range e.branching[st.def.Name] {
		name, ok := svc.branchName(&b)
		switch {
		case !ok:
			e.report("branch without instance", string(svc.def.Name), fmt.Sprintf("a branch of state %s has no key %q", st.def.Name, svc.def.Branching.Key))
		case removed:
			e.branchGone(svc, st, name, w)
		case e.branchStarts(svc, &b, name):
			svc.wanted = true
			e.startBranch(svc, name, w)
		}
	}
}

func (e *Engine) branchGone(svc *service, st *state, name string, w why) {
	left := func(b branch) bool {
		other, ok := svc.branchName(&b)
		return ok && other == name
	}
	if len(st.def.BranchKeys()) > 1 && slices.ContainsFunc(st.branches, left) {
		return // another branch has the same name
	}
	svc.leftOut = slices.DeleteFunc(svc.leftOut, func(s string) bool { return s == name })
	in := svc.named[name]
	if in == nil {
		return
	}
	in.gone = true
	e.stopInstance(in, w)
	e.drop(in)
}

// branchStarts reports whether a branch that appeared or changed starts its
// instance. A condition that looks at the state itself has to match that branch;
// any other one has to hold, unless it waits for signals: then it has been met.
func (e *Engine) branchStarts(svc *service, b *branch, name string) bool {
	if !e.booted || e.stopping || e.level(svc.def.StopOn) {
		return false
	}
	x, known := svc.def.StartOn, svc.named[name] != nil
	switch {
	case svc.own && e.branchEdge(svc, b):
		return true
	case !svc.wanted || known && !svc.named[name].gone:
		return false
	case x == nil || svc.signals:
		return true
	}
	return !svc.own && e.level(x)
}

// branchEdge reports whether the start condition of a service matches a branch of
// the state that it branches over.
func (e *Engine) branchEdge(svc *service, b *branch) bool {
	before := e.changed
	e.changed = change{kind: cond.State, name: string(svc.def.Branching.State), value: b.value, keys: b.keys}
	matches := e.edge(svc.def.StartOn)
	e.changed = before
	return matches
}

// judge finds out what the start condition of a service with branching looks at.
func (svc *service) judge() {
	if svc.def.Branching == nil || svc.def.StartOn == nil {
		return
	}
	svc.def.StartOn.Atoms(func(a cond.Atom) {
		svc.signals = svc.signals || a.Kind == cond.Signal
		svc.own = svc.own || a.Kind == cond.State && a.Name == string(svc.def.Branching.State)
	})
	svc.judged = svc.own && !svc.signals
}

// follows reports whether a service starts its instances because of the branches
// of a state, so that the state as a whole is no reason to start all of them.
func (svc *service) follows(st *state) bool {
	return st != nil && svc.own && svc.def.Branching.State == st.def.Name
}

// startsUnasked reports whether a service starts with the plan although it has no
// condition: one with branching is there for its branches.
func (svc *service) startsUnasked() bool { return svc.def.Branching != nil && svc.def.StartOn == nil }

// environ is what the processes of an instance learn of it.
func (in *instance) environ() ([]string, error) {
	if in.service.single {
		return nil, nil
	}
	if strings.ContainsRune(in.name, 0) {
		return nil, errors.New("the name of the instance has a NUL byte, which no environment variable can have")
	}
	env := []string{"RIND_INSTANCE=" + in.name}
	if in.service.def.Branching != nil {
		env = append(env, "RIND_BRANCH_KEY="+in.name)
	}
	return env, nil
}

// group collects what became of the instances that one request is about.
type group struct {
	left    int // to be told of
	of      int
	worst   Outcome
	message string
	count   int // with that outcome
}

// shared is w for n instances, which answer together.
func (w why) shared(n int) why {
	if w.from.ID != 0 && n > 1 {
		w.group = &group{left: n, of: n}
	}
	return w
}

// severity sorts outcomes: what became of one instance stands for all.
func (o Outcome) severity() int { return slices.Index([]Outcome{Unchanged, Done, Unknown, Failed}, o) }

// respond answers a request, together with the others that it is shared with.
func (e *Engine) respond(w why, o Outcome, message string) {
	g := w.group
	if g == nil {
		e.reply(w.from, o, message)
		return
	}
	switch c := cmp.Compare(o.severity(), g.worst.severity()); {
	case c > 0:
		g.worst, g.message, g.count = o, message, 1
	case c == 0:
		g.count++
	}
	if g.left--; g.left == 0 {
		e.reply(w.from, g.worst, fmt.Sprintf("%s (%d of %d instances)", g.message, g.count, g.of))
	}
}
