//! The modules of a crate have no import cycles, direct or indirect.
//!
//! An import of a re-exported item counts as an import of the module that defines the item. So the
//! root of a crate may re-export items of its modules, and modules may import them from there.

use std::collections::{BTreeMap, BTreeSet};
use std::slice::from_ref;

use crate::crates;
use crate::modules::{Modules, Name};

type Graph = BTreeMap<Name, BTreeSet<Name>>;

/// The imports of each module.
fn graph(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for (name, module) in &modules.0 {
        let imported = module.paths.iter().map(|path| definition(modules, path));
        let imported = imported.filter(|imported| imported != name).collect();
        graph.insert(name.clone(), imported);
    }
    graph
}

/// The module that defines the item at a path.
fn definition(modules: &Modules, path: &[String]) -> Name {
    let length = (0..=path.len()).rev().find(|length| modules.0.contains_key(&path[..*length]));
    let (module, rest) = path.split_at(length.unwrap());
    let Some(item) = rest.first() else { return module.to_vec() };
    let exports = &modules.0[module].exports;
    let named = exports.iter().find(|(name, _)| name == item).map(|(_, path)| path.clone());
    let by_star = || {
        let all = exports.iter().filter(|(name, _)| name == "*");
        let paths = all.map(|(_, path)| [path.as_slice(), from_ref(item)].concat());
        paths.filter(|path| definition(modules, path) != module).find(|path| path != module)
    };
    match named.or_else(by_star) {
        Some(path) if path != [module, from_ref(item)].concat() => definition(modules, &path),
        _ => module.to_vec(),
    }
}

/// The shortest import cycle, if there is one; its first module is repeated at the end.
fn shortest_cycle(graph: &Graph) -> Option<Vec<&Name>> {
    let mut shortest: Option<Vec<&Name>> = None;
    for start in graph.keys() {
        // Breadth first: the shortest path to each module that can be reached.
        let mut paths = vec![vec![start]];
        let mut reached = BTreeSet::new();
        while let Some(path) = (!paths.is_empty()).then(|| paths.remove(0)) {
            for next in &graph[*path.last().unwrap()] {
                let longer = [path.as_slice(), &[next]].concat();
                if next == start {
                    if shortest.as_ref().is_none_or(|found| longer.len() < found.len()) {
                        shortest = Some(longer);
                    }
                } else if reached.insert(next) {
                    paths.push(longer);
                }
            }
        }
    }
    shortest
}

fn render(cycle: &[&Name]) -> String {
    let name = |name: &&Name| [&["crate".to_owned()], name.as_slice()].concat().join("::");
    cycle.iter().map(name).collect::<Vec<_>>().join(" → ")
}

#[test]
fn no_crate_has_an_import_cycle() {
    let mut cycles = Vec::new();
    let mut modules_found = 0;
    for (name, folder) in crates() {
        let modules = Modules::of_crate(&folder);
        modules_found += modules.0.len();
        if let Some(cycle) = shortest_cycle(&graph(&modules)) {
            cycles.push(format!("{name}: {}", render(&cycle)));
        }
    }
    assert!(modules_found > 150, "only {modules_found} modules");
    assert!(cycles.is_empty(), "cycles of modules:\n{}", cycles.join("\n"));
}

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    let graph = graph(&Modules::of_text(text));
    assert_eq!(shortest_cycle(&graph).as_deref().map(render).as_deref(), expected, "{text}");
}

#[test]
fn cycles_are_found() {
    let cycle = Some("crate::a → crate::b → crate::a");
    check("mod a { use crate::b::X; } mod b { use crate::a::Y; }", cycle);
    check("mod a { use super::b; } mod b { use crate::{a::{Y, Z}, c}; } mod c {}", cycle);
    // Paths in code, macros and attributes.
    check("mod a { fn f() { crate::b::g() } } mod b { fn g() { super::a::f() } }", cycle);
    check("mod a { m!(x, crate::b::C); } mod b { #[n(tag = crate::a::T)] fn g() {} }", cycle);
    // Through re-exports of the root.
    check("mod a { use crate::B; } mod b { pub struct B; use crate::a::f; } pub use b::B;", cycle);
    check("mod a { use crate::B; } mod b { pub struct B; use crate::a::f; } pub use b::*;", cycle);
    // A parent and its child, named without `self` and with it.
    let with_child = Some("crate::a → crate::a::c → crate::a");
    check("mod a { pub(crate) mod c { use super::X; } struct X; fn f() { c::g() } }", with_child);
    check("mod a { mod c { use super::X; } struct X; use self::c::g; }", with_child);
    // In three steps.
    let of_three = Some("crate::a → crate::b → crate::c → crate::a");
    check("mod a { use crate::b; } mod b { use crate::c; } mod c { use crate::a; }", of_three);
}

#[test]
fn graphs_without_a_cycle_pass() {
    check("mod a { use crate::b::X; } mod b { use crate::c::Y; } mod c {}", None);
    // Tests may import anything.
    check("mod a { use crate::b; } mod b { #[cfg(test)] mod tests { use crate::a; } }", None);
    check("mod a { use crate::b; } mod b { #[cfg(test)] use crate::a; fn f() {} }", None);
    // A re-export does not count as an import of the root.
    check("mod a { use crate::X; } mod b { pub struct X; } pub use b::X; pub use a::Y;", None);
    // Paths into other crates.
    check("mod a { use b::X; use ::c::Y; } mod b { use crate::a; }", None);
    check("mod a { mod c { use super::X; } struct X; }", None);
}
