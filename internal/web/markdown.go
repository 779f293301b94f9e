package web

import (
	"bytes"
	"html/template"
	"net/url"
	"reflect"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// A letter is text of somebody else. It is shown as Markdown without raw HTML and
// without images: nothing in it can fetch anything, run anything, or look like a
// part of the page. A link shows its target in full beside its words, opens
// nothing by itself, and tells its target nothing of where it was.

// linkSchemes are what a link may begin with; anything else is shown as text.
var linkSchemes = map[string]bool{"https": true, "http": true, "mailto": true}

var reader = goldmark.New(
	// A column's alignment would be an inline style, which the page's policy forbids.
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone)), extension.Strikethrough),
	goldmark.WithParser(parser.NewParser(
		parser.WithBlockParsers(without(parser.DefaultBlockParsers(), parser.NewHTMLBlockParser())...),
		parser.WithInlineParsers(without(parser.DefaultInlineParsers(), parser.NewRawHTMLParser())...),
		parser.WithParagraphTransformers(parser.DefaultParagraphTransformers()...),
	)),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(safeNodes{}, 10))),
)

// without leaves a parser out. Without those of HTML, what looks like HTML is a
// paragraph, and is escaped like any text. They are told apart by type: pointers
// to empty structs may all be equal.
func without(all []util.PrioritizedValue, parser any) (out []util.PrioritizedValue) {
	for _, v := range all {
		if reflect.TypeOf(v.Value) != reflect.TypeOf(parser) {
			out = append(out, v)
		}
	}
	return out
}

// safeNodes renders whatever could name a place outside of the letter.
type safeNodes struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (s safeNodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindLink, s.link)
	r.Register(ast.KindAutoLink, s.autoLink)
	r.Register(ast.KindImage, s.image)
	r.Register(ast.KindRawHTML, s.nothing)
	r.Register(ast.KindHTMLBlock, s.nothing)
	r.Register(ast.KindHeading, s.heading)
}

func (safeNodes) nothing(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
	return ast.WalkSkipChildren, nil
}

// target returns a link's target if a link may lead there.
func target(raw []byte) (string, bool) {
	u, err := url.Parse(string(raw))
	if err != nil || !linkSchemes[strings.ToLower(u.Scheme)] || strings.ContainsFunc(string(raw), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return string(raw), false
	}
	return u.String(), true
}

func open(w util.BufWriter, to string) {
	_, _ = w.WriteString(`<a rel="noreferrer noopener nofollow" target="_blank" href="`)
	_, _ = w.WriteString(template.HTMLEscapeString(to))
	_, _ = w.WriteString(`">`)
}

func (safeNodes) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.Link)
	if !ok {
		return ast.WalkContinue, nil
	}
	to, may := target(n.Destination)
	switch {
	case may && entering:
		open(w, to)
	case may:
		_, _ = w.WriteString(`</a>`)
	}
	if !entering {
		_, _ = w.WriteString(` <span class="target">(` + template.HTMLEscapeString(to) + `)</span>`)
	}
	return ast.WalkContinue, nil
}

func (safeNodes) autoLink(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.AutoLink)
	if !ok || !entering {
		return ast.WalkContinue, nil
	}
	raw := n.URL(source)
	if n.AutoLinkType == ast.AutoLinkEmail {
		raw = append([]byte("mailto:"), raw...)
	}
	to, may := target(raw)
	if may {
		open(w, to)
	}
	_, _ = w.WriteString(template.HTMLEscapeString(string(n.Label(source))))
	if may {
		_, _ = w.WriteString(`</a>`)
	}
	return ast.WalkContinue, nil
}

// image shows the words that stand for an image, and what it would have fetched.
func (safeNodes) image(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.Image)
	if ok && !entering {
		_, _ = w.WriteString(` <span class="target">(` + template.HTMLEscapeString(string(n.Destination)) + `)</span>`)
	}
	return ast.WalkContinue, nil
}

// heading keeps a letter's headings below those of the page.
func (safeNodes) heading(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	n, ok := node.(*ast.Heading)
	if !ok {
		return ast.WalkContinue, nil
	}
	tag := "h" + string(rune('0'+min(n.Level+3, 6)))
	if entering {
		_, _ = w.WriteString("<" + tag + ">")
	} else {
		_, _ = w.WriteString("</" + tag + ">\n")
	}
	return ast.WalkContinue, nil
}

// readable renders a letter's text.
func readable(text, mediaType string) template.HTML {
	if strings.HasPrefix(mediaType, "text/markdown") {
		var b bytes.Buffer
		if reader.Convert([]byte(text), &b) == nil {
			return template.HTML(b.String()) //nolint:gosec // built by the renderer above, which escapes every text
		}
	}
	return plain(text)
}

// plain renders text as it is, in paragraphs.
func plain(text string) template.HTML {
	var b strings.Builder
	for _, par := range strings.Split(strings.ReplaceAll(strings.TrimSpace(text), "\r\n", "\n"), "\n\n") {
		b.WriteString("<p>")
		b.WriteString(strings.ReplaceAll(template.HTMLEscapeString(par), "\n", "<br>\n"))
		b.WriteString("</p>\n")
	}
	return template.HTML(b.String()) //nolint:gosec // every text is escaped
}
