package grafana

import (
	"bytes"
	"encoding/json"
)

// SchemaVersion is the version of the JSON that is written. It is that of Grafana 11; later ones bring it up to theirs.
const SchemaVersion = 39

// A Dashboard is what Grafana imports. See [Dashboard.JSON].
type Dashboard struct {
	UID           string     `json:"uid"`
	Title         string     `json:"title"`
	Description   string     `json:"description"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Editable      bool       `json:"editable"`
	GraphTooltip  CursorSync `json:"graphTooltip"`
	Refresh       string     `json:"refresh"`
	Timezone      string     `json:"timezone"`
	Time          TimeRange  `json:"time"`
	Links         []Link     `json:"links"`
	Templating    Templating `json:"templating"`
	Panels        []Item     `json:"panels"`
}

// An Item is what stands on a dashboard: a [Row] or a [Panel].
type Item interface{ item() }

// CursorSync says what panels share when the pointer is over one of them.
type CursorSync int

// SharedCrosshair shows the same instant in all panels.
const SharedCrosshair CursorSync = 1

// A TimeRange is what a dashboard shows when it is opened.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// A Link leads from a dashboard or a panel to another page.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Icon        string   `json:"icon"`
	URL         string   `json:"url"`
	Tooltip     string   `json:"tooltip"`
	Tags        []string `json:"tags"`
	TargetBlank bool     `json:"targetBlank"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// NewLink is a link to another site, which opens in a window of its own.
func NewLink(title, url, tooltip string) Link {
	return Link{Title: title, Type: "link", Icon: "external link", URL: url, Tooltip: tooltip, Tags: []string{}, TargetBlank: true}
}

// Templating are a dashboard's variables.
type Templating struct {
	List []Variable `json:"list"`
}

// JSON returns the dashboard as a file: indented, with a line's end at its end, and without escapes that only HTML needs.
func (d *Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(d)
	return b.Bytes(), err
}
