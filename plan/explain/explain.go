// Package explain says everything that a plan knows of one unit: what it is,
// what is written in its definition, and what other units do to it and it to
// them, each with the place where that is written.
package explain

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/plan/graph"
	"github.com/rind-sockets/rind/plan/words"
)

// Unit explains a node of the graph of p.
func Unit(p *plan.Plan, g *graph.Graph, n graph.Node) string {
	e := explainer{graph: g, index: p.Index(), names: words.NamesOf(p), node: n}
	e.line(0, "%s", e.placed(n))
	switch n.Kind {
	case graph.Socket:
		explained(&e, e.index.Socket, e.socket)
	case graph.Service:
		explained(&e, e.index.Service, e.service)
	case graph.State:
		explained(&e, e.index.State, e.state)
	case graph.Signal:
		explained(&e, e.index.Signal, e.signal)
	case graph.Timer:
		explained(&e, e.index.Timer, e.timer)
	case graph.Permission:
		explained(&e, e.index.Permission, e.permission)
	case graph.Variable:
		explained(&e, func(name plan.Name) (*plan.Variable, bool) { return e.index.Variable(string(name)) }, e.variable)
	}
	e.relations()
	return e.String()
}

type explainer struct {
	strings.Builder

	graph *graph.Graph
	index *plan.Index
	names *words.Names
	node  graph.Node
}

// explained writes a unit in words, and then what else its definition says. say
// returns the keys that it has dealt with. A builtin unit need not be in the plan.
func explained[T any](e *explainer, find func(plan.Name) (*T, bool), say func(*T) (said []string)) {
	u, ok := find(e.node.Name)
	if !ok {
		return
	}
	said := say(u)
	var rest []words.Field
	width := 0
	for _, f := range e.names.Fields(u) {
		if !slices.Contains(said, f.Key) {
			rest = append(rest, f)
			width = max(width, utf8.RuneCountInString(f.Key))
		}
	}
	for _, f := range rest {
		e.line(1, "%-*s  %s", width, f.Key, f.Text)
	}
}

func (e *explainer) line(indent int, format string, args ...any) {
	e.WriteString(strings.Repeat("  ", indent))
	fmt.Fprintf(&e.Builder, format, args...)
	e.WriteByte('\n')
}

// placed returns a node with the place of its definition.
func (e *explainer) placed(n graph.Node) string {
	if file, line, ok := e.graph.Place(n); ok {
		return fmt.Sprintf("%s (%s:%d)", n, file, line)
	}
	return n.String() + " (builtin)"
}

func (e *explainer) socket(s *plan.Socket) []string {
	e.line(1, "listens on %s %s", s.Type, s.Listen)
	switch {
	case !s.Enabled && s.StartOn != nil:
		e.line(1, "starts only by a command, a trigger or rind@active; if it were enabled, when this matches: %s", s.StartOn)
	case !s.Enabled:
		e.line(1, "starts only by a command, a trigger or rind@active")
	case s.StartOn != nil:
		e.line(1, "starts when this matches: %s", s.StartOn)
	default:
		e.line(1, "starts with the plan")
	}
	if s.StopOn != nil {
		e.line(1, "stops when this matches: %s", s.StopOn)
	}
	e.access(s)
	if mode := s.Options["mode"]; len(s.Permissions) == 0 && s.Type == "uds" && mode != "" && strings.HasPrefix(s.Listen, "/") {
		e.line(1, "the mode of its node says who may access it: %s", mode)
	} else {
		e.granted("access it", s.Permissions)
	}
	e.granted("start and stop it", append([]uint16{plan.SystemServices}, s.ManagedBy...))
	said := []string{"type", "listen", "start-on", "stop-on", "enabled", "owner", "lifecycle", "accept", "permissions", "managed-by", "descriptor"}
	if s.Owner != "" {
		said = append(said, "fd-name")
	}
	return said
}

// access says what becomes of an access while the owner does not run.
func (e *explainer) access(s *plan.Socket) {
	triggers := ""
	if len(s.Trigger) > 0 {
		triggers = " runs the triggers and"
	}
	if s.Owner == "" {
		e.line(1, "an access%s is over: the runtime takes and closes it", triggers)
		return
	}
	owner := e.placed(graph.Node{Kind: graph.Service, Name: s.Owner})
	inherits := fmt.Sprintf("which inherits the socket as descriptor %d, %q", words.FirstFD+s.Order, s.FDName)
	switch {
	case s.Accept:
		e.line(1, "an access%s starts a process of %s for the connection", triggers, owner)
	case s.Lifecycle == plan.Owned:
		e.line(1, "an access%s starts %s, %s", triggers, owner, inherits)
	default:
		e.line(1, "an access%s waits for %s, %s", triggers, owner, inherits)
	}
}

// granted says who may do something: nobody is asked when there are no
// permissions.
func (e *explainer) granted(what string, ids []uint16) {
	if len(ids) == 0 || slices.Contains(ids, plan.AnyPermission) {
		e.line(1, "everybody may %s", what)
		return
	}
	e.line(1, "whoever holds one of these may %s: %s", what, e.names.Permissions(ids))
}

func (e *explainer) service(s *plan.Service) []string {
	said := []string{"start-on", "stop-on", "restart.always", "restart.max-retries"}
	for i, c := range s.Run {
		if c.Variable != "" {
			e.line(1, "runs what the variable %s says", c.Variable)
		} else {
			e.line(1, "runs %s", words.Command(c.Exec, c.Args))
		}
		run := fmt.Sprintf("run[%d].", i)
		said = append(said, run+"variable", run+"exec", run+"args")
	}
	if s.StartOn != nil {
		e.line(1, "starts when this holds: %s", s.StartOn)
	}
	if s.StopOn != nil {
		e.line(1, "stops when this matches: %s", s.StopOn)
	}
	e.line(1, "%s", restart(s.Restart))
	e.nobody("starts it", graph.Starts, graph.Activates)
	e.inherits(s)
	return said
}

// inherits lists the sockets of a service with the numbers of their descriptors.
func (e *explainer) inherits(s *plan.Service) {
	first := true
	for _, socket := range e.index.SocketsOf(s.Name) {
		if socket.Accept {
			continue // its processes get a connection instead
		}
		if first {
			e.line(1, "inherits these sockets, numbered so when all of them are open")
			first = false
		}
		at := e.placed(graph.Node{Kind: graph.Socket, Name: socket.Name})
		e.line(2, "%d %q: %s", words.FirstFD+socket.Order, socket.FDName, at)
	}
}

func restart(r plan.Restart) string {
	switch {
	case r.Always:
		return "starts again whenever it ends by itself"
	case r.MaxRetries == 1:
		return "starts again once after a failure"
	case r.MaxRetries > 0:
		return fmt.Sprintf("starts again after a failure, at most %d times", r.MaxRetries)
	}
	return "does not start again by itself"
}

// nobody says when no unit of the plan does something to this one.
func (e *explainer) nobody(what string, verbs ...graph.Verb) {
	done := slices.ContainsFunc(e.graph.Edges, func(ed graph.Edge) bool {
		return ed.To == e.node && slices.Contains(verbs, ed.Verb)
	})
	if _, _, defined := e.graph.Place(e.node); !done && defined {
		e.line(1, "nothing in the plan %s: only a command can", what)
	}
}

func (e *explainer) state(s *plan.State) []string {
	survives := "survives a restart"
	if s.Impermanent {
		survives = "does not survive a restart"
	}
	e.line(1, "is a fact of type %s that %s", s.Payload, survives)
	said := []string{"payload", "impermanent", "builtin", "after"}
	if keys := s.BranchKeys(); len(keys) > 0 {
		e.line(1, "has a branch for each value of %s", strings.Join(keys, ", "))
		for i, k := range s.Branch {
			if k.Source == "" {
				said = append(said, fmt.Sprintf("branch[%d].target", i))
			}
		}
	}
	if s.After != nil {
		e.line(1, "is set while this holds: %s", s.After)
	}
	e.nobody("sets it", graph.Sets)
	return said
}

func (e *explainer) signal(s *plan.Signal) []string {
	e.line(1, "is an event of type %s", s.Payload)
	if s.After != nil {
		e.line(1, "is emitted when this matches: %s", s.After)
	}
	e.nobody("emits it", graph.Emits)
	return []string{"payload", "builtin", "after"}
}

func (e *explainer) timer(t *plan.Timer) []string {
	again := ""
	if t.Repeat {
		again = ", and starts again then"
	}
	e.line(1, "ends %s after its start%s", words.Duration(t.Duration), again)
	e.nobody("starts it", graph.Starts)
	return []string{"duration", "repeat", "after"}
}

func (e *explainer) permission(q *plan.Permission) []string {
	switch {
	case q.ID == plan.AnyPermission:
		e.line(1, "is held by everybody")
	case len(q.Users) == 0 && len(q.Groups) == 0 && len(q.Links) == 0:
		e.line(1, "is held by uid 0 alone, unless it is granted at run time")
	default:
		e.line(1, "is held by uid 0, and by whom it says below")
	}
	return nil
}

func (e *explainer) variable(v *plan.Variable) []string {
	if v.Env == "" {
		return nil
	}
	e.line(1, "is overridden by the environment variable %s of rindrun", v.Env)
	return []string{"env"}
}
