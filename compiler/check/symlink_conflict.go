package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/grammar"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var _ = register(Rule{
	Code:     "A4110",
	Severity: diag.Error,
	Title:    "a symbolic link where another socket is",
	Text: `symlinks makes further names of a unix socket. One of them is the path of another socket, or a link of it, and
both sockets are open from the start of the plan: whichever comes second cannot start.`,
	Example: `
[[socket]]
name = "log"
type = "uds"
listen = "/run/log.sock"
options = { symlinks = ["/run/syslog.sock"] }

[[socket]]
name = "syslog"
type = "uds"
listen = "/run/syslog.sock"
`,
	Right: `
[[socket]]
name = "log"
type = "uds"
listen = "/run/log.sock"
options = { symlinks = ["/run/journal.sock"] }

[[socket]]
name = "syslog"
type = "uds"
listen = "/run/syslog.sock"
`,
	Run: func(p *Pass) {
		type holder struct {
			socket *Socket
			at     source.Place
		}
		held := map[string]holder{}
		for _, s := range p.Sockets {
			if s.Endpoint.Kind == grammar.Path && s.alwaysOpen() && s.Unit.Lost == nil {
				held[s.Endpoint.String()] = holder{s, s.Unit.Listen.At}
			}
		}
		for _, s := range p.Sockets {
			links, err := manifest.ParseList(s.Options["symlinks"])
			if err != nil || !s.alwaysOpen() || s.Unit.Lost != nil {
				continue
			}
			for _, link := range links {
				other, taken := held[link]
				if !taken {
					held[link] = holder{s, s.optionPlace("symlinks")}
					continue
				}
				if other.socket == s {
					continue
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("socket %q cannot have the link %s together with socket %q", s.Name, link, other.socket.Name),
					At:      s.optionPlace("symlinks"),
					Help:    "change the link, or remove it",
					Labels:  []diag.Label{{At: other.at, Message: "where it is taken"}},
				})
			}
		}
	},
})

// optionPlace returns the place of the value of an option.
func (s *Socket) optionPlace(name string) source.Place {
	for _, o := range s.Unit.Options {
		if o.Key.Value == name {
			return o.Value.At
		}
	}
	return s.Unit.Listen.At
}
