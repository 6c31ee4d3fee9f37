package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plugins/manifest"
)

var _ = register(Rule{
	Code:     "A4105",
	Severity: diag.Error,
	Title:    "unknown transport option",
	Text:     `The options of a socket are those that the manifest of its transport lists.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { back-log = 512 }
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
options = { backlog = 512 }
`,
	Run: func(p *Pass) {
		for _, s := range p.Sockets {
			for _, e := range s.optionErrors {
				if e.err != nil {
					continue
				}
				table, key, inTable := strings.Cut(e.name, ".")
				names, of := optionNames(s.Scheme), s.Scheme.Name
				if inTable {
					names, of = s.Scheme.Table(table), table
				} else {
					key = e.name
				}
				help := fmt.Sprintf("the options of %s are %s", of, strings.Join(names, ", "))
				var fix *diag.Fix
				if remedy, ok := noOption[plainOption(key)]; ok {
					help = remedy
				} else if near, ok := nearestOption(key, names); ok {
					help = fmt.Sprintf("did you mean `%s`?", near)
					fix = optionFix(key, near, names)
					if s.hasOption(table, inTable, near) {
						help, fix = help+" it is there already: remove one of the two", nil
					}
				} else if kind, _ := unit.KindOf("socket"); !inTable && isField(kind, key) {
					help = fmt.Sprintf("`%s` is a key of the socket, and not of this table", key)
				} else if other := otherTransports(p.Transports, e.name); len(other) > 0 {
					help = fmt.Sprintf("it is an option of %s; %s", strings.Join(other, " and "), help)
				}
				p.Report(diag.Diagnostic{
					Message: fmt.Sprintf("transport %s has no option `%s`", s.Scheme.Name, e.name),
					At:      e.key,
					Help:    help,
					Fix:     fix,
				})
			}
		}
	},
})

// hasOption reports whether an option, or one in a table, is written.
func (s *Socket) hasOption(table string, inTable bool, name string) bool {
	return slices.ContainsFunc(s.Unit.Options, func(o unit.Option) bool {
		if !inTable {
			return o.Key.Value == name
		}
		inner, _ := o.Value.Value.(map[string]any)
		return o.Key.Value == table && inner[name] != nil
	})
}

func isField(kind *unit.Kind, key string) bool {
	_, ok := kind.Field(key)
	return ok
}

// optionFix returns the correction of the name of an option, which may be that of others
// for it.
func optionFix(key, near string, names []string) *diag.Fix {
	if other, ok := nearestOption(key, []string{near}); ok && other == near && otherOptions[plainOption(key)] == near {
		return &diag.Fix{Old: key, New: near}
	}
	return diag.Misspelt(key, near, names)
}

// optionNames lists what can be a key of the table options: of the option
// "keepalive.time" it is "keepalive".
func optionNames(s *manifest.Scheme) []string {
	var names []string
	for i := range s.Options {
		name, _, _ := strings.Cut(s.Options[i].Name, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// nearestOption finds the option that was meant, also by the name that
// systemd.socket(5) or the kernel has for it.
func nearestOption(key string, names []string) (string, bool) {
	if other, ok := otherOptions[plainOption(key)]; ok && slices.Contains(names, other) {
		return other, true
	}
	return diag.Nearest(strings.ToLower(strings.ReplaceAll(key, "_", "-")), names)
}

// plainOption returns the name of an option without marks, and without the prefixes that
// the kernel has.
func plainOption(key string) string {
	plain := strings.ToLower(strings.ReplaceAll(key, "_", "-"))
	for _, prefix := range []string{"so-", "tcp-", "ip-", "ipv6-"} {
		plain = strings.TrimPrefix(plain, prefix)
	}
	return strings.ReplaceAll(plain, "-", "")
}

// otherOptions has what others call our options, in lower case without dashes.
var otherOptions = map[string]string{
	"rcvbuf": "receive-buffer", "sndbuf": "send-buffer", "nodelay": "no-delay", "deferacceptsec": "defer-accept",
	"fastopen": "fast-open", "bindtodevice": "bind-device", "iptos": "tos", "tclass": "traffic-class", "ipttl": "ttl",
	"unicasthops": "ttl", "hoplimit": "ttl", "socketmode": "mode", "socketuser": "user", "socketgroup": "group",
	"directorymode": "dir-mode", "passcred": "pass-credentials", "passsec": "pass-security",
	"links": "symlinks", "link": "symlinks", "credentials": "pass-credentials", "security": "pass-security",
	"passpacketinfo": "packet-info", "pktinfo": "packet-info", "tcpcongestion": "congestion",
}

// noOption has what others can set and a listener here cannot, in the form of plainOption.
var noOption = map[string]string{
	"reuseaddr": "remove it: a tcp listener has SO_REUSEADDR always, and with udp it would let others have the datagrams",
	"linger":    ofConnections, "rcvtimeo": ofConnections, "sndtimeo": ofConnections, "quickack": ofConnections, "cork": ofConnections,
	"nonblock": "write `non-blocking` of the socket", "nonblocking": "write `non-blocking` of the socket",
}

const ofConnections = "remove it: it is for connections, and the service sets it for those it accepts"

// otherTransports lists the transports that have the option.
func otherTransports(all []*manifest.Manifest, option string) []string {
	var names []string
	for _, m := range all {
		for i := range m.Schemes {
			if s := &m.Schemes[i]; slices.Contains(optionNames(s), option) {
				names = append(names, s.Name)
			}
		}
	}
	return names
}
