//! Drawings of a graph: the tree from each sink back to its sources, DOT, Mermaid.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::plan::{NodePlan, Plan, Role};
use crate::policy::{Edge, WhenFull};

/// The form of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Text, one tree per sink with all branches: `◇` source, `○` merge, `·` layer, `■` sink.
    Tree,
    /// Graphviz.
    Dot,
    /// Mermaid flow chart.
    Mermaid,
}

pub(crate) fn draw(plan: &Plan, form: Draw) -> String {
    match form {
        Draw::Tree => tree(plan),
        Draw::Dot => dot(plan),
        Draw::Mermaid => mermaid(plan),
    }
}

fn tree(plan: &Plan) -> String {
    let mut tree = Tree {
        plan,
        drawn: BTreeSet::new(),
        text: String::new(),
    };
    for (index, node) in plan.nodes.iter().enumerate() {
        if node.role == Role::Sink {
            tree.branch(index, "", "", None);
        }
    }
    tree.text
}

struct Tree<'a> {
    plan: &'a Plan,
    /// What has been drawn with its inputs; a diamond would otherwise double at every turn.
    drawn: BTreeSet<usize>,
    text: String,
}

impl Tree<'_> {
    /// `first` leads the node's own line, `rest` the lines of its inputs.
    fn branch(&mut self, index: usize, first: &str, rest: &str, edge: Option<Edge>) {
        let Some(node) = self.plan.node(index) else {
            return;
        };
        let mark = match node.role {
            Role::Source(_) => '◇',
            Role::Merge => '○',
            Role::Layer => '·',
            Role::Sink => '■',
        };
        let queue = edge
            .map(|edge| format!("  [{}]", edge_text(edge)))
            .unwrap_or_default();
        let again = !self.drawn.insert(index) && !node.inputs.is_empty();
        let above = if again { "  (above)" } else { "" };
        line(
            &mut self.text,
            format_args!("{first}{mark} {} ({}){queue}{above}", node.name, node.kind),
        );
        if again {
            return;
        }
        let last = node.inputs.len().saturating_sub(1);
        for (port, input) in node.inputs.iter().enumerate() {
            let (lead, below) = if port == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            self.branch(
                input.from,
                &format!("{rest}{lead}"),
                &format!("{rest}{below}"),
                input.edge,
            );
        }
    }
}

fn dot(plan: &Plan) -> String {
    let mut text = String::from("digraph pipeline {\n  rankdir=LR;\n");
    for (index, node) in plan.nodes.iter().enumerate() {
        let shape = match node.role {
            Role::Source(_) => "diamond",
            Role::Merge => "circle",
            Role::Layer => "box",
            Role::Sink => "folder",
        };
        line(
            &mut text,
            format_args!(
                "  n{index} [label=\"{}\\n{}\", shape={shape}];",
                escape(node),
                node.kind
            ),
        );
    }
    for (index, input) in inputs(plan) {
        let style = input.edge.map_or_else(
            || "style=bold".to_owned(),
            |edge| format!("label=\"{}\"", edge_text(edge)),
        );
        line(
            &mut text,
            format_args!("  n{} -> n{index} [{style}];", input.from),
        );
    }
    text.push_str("}\n");
    text
}

fn mermaid(plan: &Plan) -> String {
    let mut text = String::from("flowchart LR\n");
    for (index, node) in plan.nodes.iter().enumerate() {
        let (open, close) = match node.role {
            Role::Source(_) => ("{", "}"),
            Role::Merge => ("((", "))"),
            Role::Layer => ("[", "]"),
            Role::Sink => ("[[", "]]"),
        };
        line(
            &mut text,
            format_args!(
                "  n{index}{open}\"{}<br/>{}\"{close}",
                escape(node),
                node.kind
            ),
        );
    }
    for (index, input) in inputs(plan) {
        let arrow = input.edge.map_or_else(
            || "==>".to_owned(),
            |edge| format!("-->|{}|", edge_text(edge)),
        );
        line(
            &mut text,
            format_args!("  n{} {arrow} n{index}", input.from),
        );
    }
    text
}

fn inputs(plan: &Plan) -> impl Iterator<Item = (usize, &crate::plan::InputPlan)> {
    plan.nodes
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.inputs.iter().map(move |input| (index, input)))
}

fn edge_text(edge: Edge) -> String {
    let policy = match edge.when_full {
        WhenFull::Auto => "auto",
        WhenFull::Block => "block",
        WhenFull::DropOldest => "drop oldest",
        WhenFull::DropNewest => "drop newest",
    };
    format!("{} {policy}", edge.capacity)
}

/// A name that is not usable can still be drawn.
fn escape(node: &NodePlan) -> String {
    node.name.replace(['"', '\\', '\n'], "_")
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{words}");
}
