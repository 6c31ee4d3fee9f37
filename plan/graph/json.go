package graph

import (
	"bytes"
	"encoding/json"
)

// jsonVersion is the version of the json format; a new one only adds, unless it
// changes this.
const jsonVersion = 1

type jsonGraph struct {
	Format  string     `json:"format"`
	Version int        `json:"version"`
	Nodes   []jsonNode `json:"nodes"`
	Edges   []jsonEdge `json:"edges"`
}

type jsonNode struct {
	Kind  Kind   `json:"kind"`
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	File  string `json:"file,omitempty"` // no file: builtin
	Line  int    `json:"line,omitempty"`
}

type jsonEdge struct {
	From   string `json:"from"` // "socket web@http"
	To     string `json:"to"`
	Verb   Verb   `json:"verb"`
	Unset  bool   `json:"unset,omitempty"`
	Unit   string `json:"unit"`
	Key    string `json:"key"`
	Detail string `json:"detail,omitempty"`
}

// json writes g as a JSON document.
func (g *Graph) json() ([]byte, error) {
	out := jsonGraph{Format: "rind.graph", Version: jsonVersion, Nodes: []jsonNode{}, Edges: []jsonEdge{}}
	for _, n := range g.Nodes {
		file, line, _ := g.Place(n)
		out.Nodes = append(out.Nodes, jsonNode{Kind: n.Kind, Name: string(n.Name), Label: g.labels[n], File: file, Line: line})
	}
	for _, e := range g.Edges {
		out.Edges = append(out.Edges, jsonEdge{
			From: e.From.String(), To: e.To.String(), Verb: e.Verb, Unset: e.Unset,
			Unit: e.Unit.String(), Key: e.Key, Detail: e.Detail,
		})
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
