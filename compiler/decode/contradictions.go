package decode

import (
	"slices"
	"strings"
	"time"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/grammar"
)

// contradictions reports keys of a unit that do not go together, whatever the
// names in them mean. What seems to be missing may be one of the lost keys.
func (b *binder) contradictions(item any, lost unit.Lost) {
	switch u := item.(type) {
	case *unit.Socket:
		b.socketKeys(u, lost)
	case *unit.Service:
		b.serviceKeys(u, lost)
	case *unit.State:
		if u.AutoPayload != nil {
			b.autoPayloadKeys(u.AutoPayload, lost)
		}
	case *unit.Variable:
		if !u.Default.Set() && !u.Env.Set() && !lost.Any("default", "env") {
			b.report(diag.MissingKey, u.At, "add `default`: the value, of any type", "%s has neither `default` nor `env`", b.what)
		}
	}
}

func (b *binder) contradiction(at source.Place, help, format string, args ...any) {
	b.report(diag.Contradiction, at.OfKey(), help, format, args...)
}

func (b *binder) socketKeys(s *unit.Socket, lost unit.Lost) {
	const noOwner = "add `owner = \"group@service\"`, or remove it"
	if s.Accept.Value && !s.Owner.Set() && !datagrams(s) && !lost.Any("owner", "type", "options") {
		b.contradiction(s.Accept.At, noOwner, "`accept` starts the owner for each connection, and %s has none", b.what)
	}
	if s.FlushPending.Value && !s.Owner.Set() && !lost.Any("owner") {
		b.contradiction(s.FlushPending.At, noOwner, "`flush-pending` is about the exit of the owner, and %s has none", b.what)
	}
	if s.Accept.Value && datagrams(s) {
		b.contradiction(s.Accept.At, "remove it: the owner reads the datagrams", "`accept` is for connections, and %s has datagrams", b.what)
	}
	if l := s.Limits; l != nil && !s.Accept.Value && !lost.Any("accept") {
		// Whoever takes the connections is the only one who knows when they end.
		help := "add `accept = true`, or remove it: an owner that takes its connections itself has to count them"
		if datagrams(s) {
			help = "remove it: datagrams have no connections"
		} else if !s.Owner.Set() {
			help = "add `accept = true` and an `owner`, or remove it: nobody else knows when connections end"
		}
		if l.MaxConnections.Set() {
			b.contradiction(l.MaxConnections.At, help, "`max-connections` is about the connections of `accept`")
		}
		if l.PerSource.Set() {
			b.contradiction(l.PerSource.At, help, "`per-source` is about the connections of `accept`")
		}
	}
	if s.Stdio.Value && !s.Accept.Value && !lost.Any("accept") {
		help := "add `accept = true`, or remove it"
		if datagrams(s) {
			help = "remove it: datagrams have no connections"
		}
		b.contradiction(s.Stdio.At, help, "`stdio` is about the connections of `accept`")
	}
}

// datagrams reports whether a socket has no connections.
func datagrams(s *unit.Socket) bool {
	return s.Type.Value == "udp" || slices.ContainsFunc(s.Options, func(o unit.Option) bool {
		return o.Key.Value == "kind" && o.Value.Value == "dgram"
	})
}

// orDefault returns a duration of restart, or the default of its row.
func orDefault(d unit.Duration, key string) time.Duration {
	if d.Set() {
		return d.Value
	}
	f, _ := unit.RestartTable.Field(key)
	value, _ := grammar.ParseDuration(strings.Trim(f.Default, `"`))
	return value
}

func (b *binder) serviceKeys(s *unit.Service, lost unit.Lost) {
	ofUser := s.Space != nil && s.Space.Word.Value == "user"
	if s.User.Set() && (ofUser || s.Space != nil && s.Space.User.Set()) {
		b.contradiction(s.User.At, "remove one of the two", "`space` already says whom %s runs as", b.what)
	}
	if s.UserSource != nil && !ofUser && !lost.Any("space") {
		b.contradiction(s.UserSource.At, "add `space = \"user\"`, or remove it", "`user-source` names the user of `space = \"user\"`")
	}
	if lost.Any("restart") {
		return
	}
	r := s.Restart
	first, most := orDefault(r.Backoff, "backoff"), orDefault(r.MaxBackoff, "max-backoff")
	if first > most {
		at := r.MaxBackoff.At
		if !r.MaxBackoff.Set() {
			at = r.Backoff.At
		}
		b.contradiction(at, "raise `max-backoff`, or lower `backoff`", "the first delay before a restart is %v, and the longest one %v", first, most)
	}
}

func (b *binder) autoPayloadKeys(a *unit.AutoPayload, lost unit.Lost) {
	switch {
	case a.Eval.Set() && a.Variable.Set():
		b.contradiction(a.Variable.At, "remove one of the two", "the payload comes from `eval` or from `variable`, not both")
	case !a.Eval.Set() && !a.Variable.Set() && !lost.Any("auto-payload"):
		b.report(diag.MissingKey, a.At, "add `eval`: the program whose output is the payload, or `variable`", "`auto-payload` has neither `eval` nor `variable`")
	case a.Variable.Set() && a.Args.Set():
		b.contradiction(a.Args.At, "remove it", "`args` are those of `eval`")
	case a.Variable.Set() && a.Timeout.Set():
		b.contradiction(a.Timeout.At, "remove it", "`timeout` is that of `eval`")
	}
}
