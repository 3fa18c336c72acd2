package dashboard

import "github.com/poolsql/poolsql/internal/observability/grafana"

// A layout puts panels one beside the other, and the next line of them under the highest. The zero value is an empty
// dashboard.
type layout struct {
	panels     []grafana.Item
	x, y, next int // where the next panel goes, and where the next line begins
}

// row begins a part of the dashboard with a heading.
func (l *layout) row(title string) {
	l.panels = append(l.panels, grafana.NewRow(l.id(), title, l.next))
	l.x, l.y, l.next = 0, l.next+1, l.next+1
}

// add puts a panel of that size where there is room.
func (l *layout) add(w, h int, p *grafana.Panel) {
	if l.x+w > grafana.Columns {
		l.x, l.y = 0, l.next
	}
	p.ID = l.id()
	p.GridPos = grafana.GridPos{X: l.x, Y: l.y, W: w, H: h}
	l.x += w
	l.next = max(l.next, l.y+h)
	l.panels = append(l.panels, p)
}

func (l *layout) id() int { return len(l.panels) + 1 }
