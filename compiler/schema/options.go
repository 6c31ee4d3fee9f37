package schema

import (
	"math"
	"strings"
	"time"

	"github.com/rind-sockets/rind/plugins/manifest"
)

// optionsName is the definition of the options of any transport.
const optionsName = "options"

// Patterns of options that are strings in a unit file.
const (
	modePattern     = `^0?[0-7]{3}$`
	wideModePattern = `^[0-7]{3,4}$`
	sizePattern     = `^[0-9]+[KMG]?$`
	// The durations of options are those of Go: manifests are read by plugins.
	optionDurationPattern = `^([0-9]*[.]?[0-9]+(h|m|s|ms|us|µs|ns))+$|^0$`
)

// options makes the definitions of transport options. A socket of a known type
// has those of its transport; the definition for all types only names options,
// so that editors can complete them.
func (b *builder) options() {
	every := &Schema{
		Type:        "object",
		Description: "options of the transport: which there are depends on `type`",
		Properties:  map[string]*Schema{},
	}
	b.out[optionsName] = every
	socket := b.out["socket"]
	var names []string
	for _, m := range b.transports {
		for i := range m.Schemes {
			s := &m.Schemes[i]
			name := s.Name + "-" + optionsName
			own := (&Schema{Description: "options of `" + s.Name + "` sockets", Properties: map[string]*Schema{}}).closed()
			for j := range s.Options {
				o := &s.Options[j]
				table, key, inTable := strings.Cut(o.Name, ".")
				if !inTable {
					own.Properties[o.Name] = option(o)
					every.Properties[o.Name] = mention(every.Properties[o.Name], s.Name, o)
					continue
				}
				inner := own.Properties[table]
				if inner == nil {
					inner = preferable(func() *Schema { return (&Schema{Properties: map[string]*Schema{}}).closed() })
					own.Properties[table] = inner
				}
				inner.AnyOf[0].Properties[key] = option(o)
				inner.AnyOf[1].Properties["prefer"].Properties[key] = option(o)
				every.Properties[table] = &Schema{Description: s.Name + ": a table"}
			}
			b.out[name] = own
			names = append(names, s.Name)
			socket.AllOf = append(socket.AllOf, &Schema{
				If:   &Schema{Properties: map[string]*Schema{"type": {Const: s.Name}}, Required: []string{"type"}},
				Then: &Schema{Properties: map[string]*Schema{optionsName: ref(name)}},
			})
		}
	}
	kind := socket.Properties["type"]
	kind.Type, kind.AnyOf = "", []*Schema{{Type: "string", Enum: names}, typed("string")}
}

// mention describes an option of one more transport.
func mention(known *Schema, transport string, o *manifest.Option) *Schema {
	if known == nil {
		return &Schema{Description: transport + ": " + o.Doc}
	}
	if !strings.HasSuffix(known.Description, ": "+o.Doc) {
		return &Schema{Description: known.Description + "; " + transport + ": " + o.Doc}
	}
	before := strings.TrimSuffix(known.Description, ": "+o.Doc)
	return &Schema{Description: before + ", " + transport + ": " + o.Doc}
}

// option returns the schema of one option. It may be written { prefer = value }.
func option(o *manifest.Option) *Schema {
	text := o.Doc
	if o.Default != "" {
		text += "; default: " + o.Default
	}
	return preferable(func() *Schema { return optionValue(o) }).described(text)
}

// preferable allows a value, or a table that prefers it.
func preferable(value func() *Schema) *Schema {
	return anyOf(value(), (&Schema{
		Description: "not an error when the kernel refuses it",
		Properties:  map[string]*Schema{"prefer": value()},
		Required:    []string{"prefer"},
	}).closed())
}

func optionValue(o *manifest.Option) *Schema {
	switch o.Type {
	case manifest.String:
		return &Schema{Type: "string", Pattern: anchored(o.Pattern)}
	case manifest.Int:
		return typed("integer").between(o.Min, o.Max)
	case manifest.Bool:
		return typed("boolean")
	case manifest.Enum:
		return &Schema{Type: "string", Enum: o.Enum}
	case manifest.Mode:
		if o.Max != math.MaxInt64 {
			return &Schema{Type: "string", Pattern: wideModePattern}
		}
		return &Schema{Type: "string", Pattern: modePattern}
	case manifest.Bytes:
		return anyOf(typed("integer").between(max(o.Min, 0), o.Max), &Schema{Type: "string", Pattern: sizePattern})
	case manifest.Duration:
		text := &Schema{Type: "string", Pattern: optionDurationPattern}
		if second := int64(time.Second); o.Step > 0 && o.Step%second == 0 {
			return anyOf(text, typed("integer").between(o.Min/second, o.Max/second))
		}
		return text
	case manifest.List:
		list := arrayOf(&Schema{Type: "string", Pattern: anchored(o.Pattern)})
		list.MinItems = 1
		return list
	}
	return &Schema{}
}

// anchored returns a pattern that matches the whole text, as those of manifests
// do; "" stays.
func anchored(pattern string) string {
	if pattern == "" {
		return ""
	}
	return "^(?:" + pattern + ")$"
}
