package health

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"strings"
	"time"
)

//go:embed page
var pageFiles embed.FS

// scripts are the parts of the page's script, in their order.
var scripts = []string{"base.js", "strip.js", "tables.js", "overload.js", "routes.js", "charts.js", "main.js"}

// pageAssets are what each page has in common.
type pageAssets struct {
	// Build tells one version of the page from another, so that one that is open notices when the server has another by now.
	Build  string
	Style  template.CSS
	Script template.JS
	Icon   template.URL
	policy string
}

// pageData is what the document is made of.
type pageData struct {
	*pageAssets
	Now *tick
}

func (a *pageAssets) with(t *tick) pageData { return pageData{a, t} }

var (
	assets   = loadAssets()
	document = template.Must(template.New("page.html").Funcs(template.FuncMap{
		"span":  length,
		"clock": func(ms int64) string { return time.UnixMilli(ms).Format(time.TimeOnly) },
	}).ParseFS(pageFiles, "page/page.html", "page/still.html"))
)

func loadAssets() *pageAssets {
	read := func(name string) string {
		text, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic("poolsql: bug: " + err.Error())
		}
		return string(text)
	}
	var script strings.Builder
	script.WriteString("(() => {\n'use strict';\n")
	for _, name := range scripts {
		script.WriteString(read(name))
	}
	script.WriteString("})();\n")
	style := read("page.css")
	icon := "data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString([]byte(read("icon.svg")))
	return &pageAssets{
		Build: digest(read("page.html") + style + script.String())[:12],
		Style: template.CSS(style), Script: template.JS(script.String()), Icon: template.URL(icon),
		// Nothing but this very script and this very style, the icon, and the stream from where the page comes from. Scripts
		// cannot make markup of text: the page has no use for that, and so nobody else can have it.
		policy: "default-src 'none'; script-src '" + "sha256-" + digest(script.String()) + "'; style-src 'sha256-" + digest(style) +
			"'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
			"require-trusted-types-for 'script'; trusted-types 'none'",
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}
