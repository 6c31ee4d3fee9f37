package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
	"github.com/rind-sockets/rind/runtime/flow"
	"github.com/rind-sockets/rind/runtime/listen"
	"github.com/rind-sockets/rind/runtime/peer"
)

// rules are who may access the sockets that are not for everybody, by name. Names
// of users and groups are looked up once, when the plan is loaded.
type rules map[plan.Name]*peer.Rule

// resolveRules looks up the users and groups of the permissions of sockets. What
// does not exist is nobody, and an entry of the log.
func resolveRules(p *plan.Plan, log *slog.Logger) rules {
	r := resolver{plan: p, log: log, users: map[string]*uint32{}, groups: map[string]*uint32{}}
	all := rules{}
	for i := range p.Sockets {
		if def := &p.Sockets[i]; def.Restricted() {
			all[def.Name] = r.rule(def)
		}
	}
	return all
}

// resolver looks every name up once.
type resolver struct {
	plan          *plan.Plan
	log           *slog.Logger
	users, groups map[string]*uint32 // nil: there is none
}

func (r *resolver) rule(def *plan.Socket) *peer.Rule {
	rule := &peer.Rule{}
	users, groups := r.plan.Holders(def.Permissions)
	for _, name := range users {
		if id := r.id("user", name, r.users, peer.UserID); id != nil {
			rule.UIDs = append(rule.UIDs, *id)
		}
	}
	for _, name := range groups {
		if id := r.id("group", name, r.groups, peer.GroupID); id != nil {
			rule.GIDs = append(rule.GIDs, *id)
		}
	}
	r.exclude(def, rule)
	return rule
}

// id returns the id of a user or group: a number is one as it is.
func (r *resolver) id(what, name string, known map[string]*uint32, find func(string) (string, error)) *uint32 {
	if id, ok := known[name]; ok {
		return id
	}
	known[name] = nil
	text := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		if text, err = find(name); err != nil {
			r.log.Warn("a permission names somebody who does not exist: nobody gets it by that name",
				slog.String(what, name), slog.Any("error", err))
			return nil
		}
	}
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil || number == 1<<32-1 { // which is no id to the kernel
		r.log.Warn("a permission names an id that cannot be one: nobody gets it by that name",
			slog.String(what, name), slog.String("id", text))
		return nil
	}
	id := uint32(number)
	known[name] = &id
	return &id
}

// guarded returns the options that a socket is bound with. Who may connect to a
// path comes from the permissions alone. Nobody can connect to a stream before it
// is published, and until then its node turns nobody away; a datagram socket can be reached
// as soon as it is bound, so nobody may until its list is set.
func guarded(def *plan.Socket, rule *peer.Rule, path bool) map[string]string {
	if rule == nil || !path {
		return def.Options
	}
	options := maps.Clone(def.Options)
	if options == nil {
		options = map[string]string{}
	}
	options["mode"] = "0666"
	if options["kind"] == "dgram" {
		options["mode"] = "0600"
	}
	return options
}

// errUnchecked is why a socket stays closed whose accesses nobody can check.
var errUnchecked = errors.New("the kernel does not say who sends a datagram to it; listen on a path of a file system with access control lists, or use the permission any")

// guard makes the kernel enforce the permissions of a socket, and returns notes
// for the status. What the kernel does not enforce is checked on each access.
func guard(def *plan.Socket, rule *peer.Rule, fd int, facts *listen.Facts) (notes []string, err error) {
	if rule == nil {
		return nil, nil
	}
	const onAccess = control.NotGuarded
	note := onAccess
	if facts.Path != "" {
		err := listen.Restrict(fd, facts, rule)
		if err == nil {
			return nil, nil
		}
		if !errors.Is(err, listen.ErrNoACL) {
			return nil, err
		}
		note = fmt.Sprintf("%s: %v", onAccess, err)
	}
	switch {
	case !facts.Stream:
		return nil, errUnchecked
	case def.Type != "uds" && def.Type != "tcp" || def.Options["mptcp"] == "true":
		return nil, errors.New("nobody can know who connects to it: use the transport uds, or tcp without mptcp, or the permission any")
	case def.Owner != "" && !def.Accept:
		note += "; while its owner runs, the owner accepts everybody"
	}
	return []string{note}, nil
}

// denialEvery is how often the denials of one socket are an entry of the log.
const denialEvery = 10 * time.Second

// Screen implements [loop.Sockets]. The worker gets a descriptor of its own. If it
// cannot find out who waits, the socket wants a pause: it does not open for everybody.
func (s *sockets) Screen(name plan.Name) {
	f, release, err := s.duplicate(name)
	li, rule := s.open[name], s.daemon.rules[name]
	if err != nil || rule == nil {
		if err == nil {
			release()
			err = fmt.Errorf("socket %s has no rule of who may access it", name)
		}
		s.complain(name, err)
		s.daemon.loop.Post(flow.Screened{Socket: name, Reason: err.Error()})
		return
	}
	screening := listen.Screening{
		FD: f.FD, Local: li.facts.Local, Rule: rule, Forwarder: &li.forwarder, Denied: li.denied,
		Lost: func(a listen.Access, err error) {
			s.daemon.log.LogAttrs(s.ctx, slog.LevelError, "a connection that may stay was closed",
				slog.String("socket", string(name)), slog.Int("uid", a.UID), slog.Any("error", err))
		},
	}
	s.daemon.tasks.Go(func() {
		admitted, err := screening.Run(s.ctx)
		reason := ""
		if err != nil {
			reason = err.Error()
		}
		// Posted first, so that it never comes after the socket is closed.
		s.daemon.loop.Deliver(func() flow.Event {
			return flow.Screened{Socket: name, Admitted: li.fresh(admitted), Reason: reason}
		}, nil)
		release()
	})
}

// fresh returns how many of those who are admitted and wait were not among them the
// last time. It is called on the loop.
func (li *listener) fresh(admitted []uint64) int {
	n := 0
	now := map[uint64]bool{}
	for _, id := range admitted {
		if !li.admitted[id] {
			n++
		}
		now[id] = true
	}
	li.admitted = now
	if li.def.Lifecycle == plan.Owned {
		return len(admitted) // all of them want the owner, also if it has not taken them before
	}
	return n
}

// denied returns what becomes of those who were turned away from a socket: all
// are counted, the first is logged, and then one entry in ten seconds says how
// many there were.
func (s *sockets) denied(name plan.Name) func(listen.Access) {
	var mu sync.Mutex
	var last time.Time
	unlogged := 0
	return func(a listen.Access) {
		s.daemon.loop.Post(flow.Denied{Socket: name, Access: access(a)})
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); last.IsZero() || now.Sub(last) >= denialEvery {
			s.daemon.log.LogAttrs(s.ctx, slog.LevelWarn, "access denied", slog.String("socket", string(name)),
				slog.Int("uid", a.UID), slog.Int("pid", a.PID), slog.String("remote", a.Remote), slog.Int("unlogged", unlogged))
			last, unlogged = now, 0
			return
		}
		unlogged++
	}
}
