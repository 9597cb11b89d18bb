//! The modules of a crate and the paths in them, read from the tokens of its source.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The path of a module within its crate; empty for the root.
pub(crate) type Name = Vec<String>;

/// The paths, re-exports and identifiers of a module.
#[derive(Default)]
pub(crate) struct Module {
    /// The paths in the module, from the root of the crate, including the names of items.
    pub(crate) paths: BTreeSet<Name>,
    /// The re-exports: the name, and the path that it refers to. `*` stands for every name.
    pub(crate) exports: Vec<(String, Name)>,
    /// All identifiers.
    identifiers: BTreeSet<String>,
}

/// The modules of a crate, without its tests.
#[derive(Default)]
pub(crate) struct Modules(pub(crate) BTreeMap<Name, Module>);

impl Modules {
    /// Reads the crate in a folder.
    pub(crate) fn of_crate(folder: &Path) -> Self {
        let source = folder.join("src");
        let root = ["lib.rs", "main.rs"].map(|name| source.join(name));
        let root = root.iter().find(|path| path.exists()).unwrap();
        let mut modules = Self::default();
        modules.read(&Vec::new(), &tokens(root), &mut |module, path| {
            if let Some(path) = path {
                // Relative to the folder of the file that declares the module.
                return tokens(&source.join(declaring_folder(&source, module)).join(path));
            }
            let file = source.join(module.join("/"));
            let files = [file.with_extension("rs"), file.join("mod.rs")];
            tokens(files.iter().find(|file| file.exists()).unwrap())
        });
        modules
    }

    /// Reads a crate from one text, with its modules inline.
    #[cfg(test)]
    pub(crate) fn of_text(text: &str) -> Self {
        let mut modules = Self::default();
        modules.read(&Vec::new(), &text.parse().unwrap(), &mut |module, _| panic!("{module:?}"));
        modules
    }

    /// Whether an identifier occurs in the crate, outside of its tests and comments.
    pub(crate) fn names(&self, identifier: &str) -> bool {
        self.0.values().any(|module| module.identifiers.contains(identifier))
    }

    fn read(
        &mut self,
        name: &Name,
        tokens: &TokenStream,
        file: &mut impl FnMut(&Name, Option<&str>) -> TokenStream,
    ) {
        let tokens = without_tests(tokens.clone());
        let mut children = Vec::new();
        let mut rest = Vec::new();
        let mut index = 0;
        while index < tokens.len() {
            if let (true, Some(TokenTree::Ident(child))) =
                (is_identifier(&tokens[index], "mod"), tokens.get(index + 1))
            {
                let child_name: Name = [name.as_slice(), &[child.to_string()]].concat();
                match tokens.get(index + 2) {
                    Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => {
                        children.push((child_name, body.stream()));
                        index += 3;
                        continue;
                    }
                    Some(TokenTree::Punct(end)) if end.as_char() == ';' => {
                        let path = path_attribute(&rest);
                        let body = file(&child_name, path.as_deref());
                        children.push((child_name, body));
                        index += 3;
                        continue;
                    }
                    _ => {}
                }
            }
            rest.push(tokens[index].clone());
            index += 1;
        }
        let mut module = Module::default();
        let child_names: BTreeSet<_> =
            children.iter().map(|(child, _)| child.last().unwrap().clone()).collect();
        collect(&rest, &mut Scope { name, children: &child_names, module: &mut module });
        self.0.insert(name.clone(), module);
        for (child, body) in children {
            self.read(&child, &body, file);
        }
    }
}

/// The folder of the file that declares a module, relative to that of the source.
fn declaring_folder(source: &Path, module: &Name) -> PathBuf {
    let parent: PathBuf = module[..module.len() - 1].iter().collect();
    if source.join(&parent).join("mod.rs").exists() {
        parent
    } else {
        parent.parent().map(Path::to_owned).unwrap_or_default()
    }
}

fn tokens(file: &Path) -> TokenStream {
    let text = fs::read_to_string(file).unwrap_or_else(|_| panic!("{}", file.display()));
    text.parse().unwrap_or_else(|_| panic!("{}", file.display()))
}

fn is_identifier(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(identifier) if identifier == text)
}

fn is_punctuation(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punctuation)) if punctuation.as_char() == character)
}

/// The tokens without the items that are compiled only for tests.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut kept = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        if is_punctuation(tokens.get(index), '#')
            && let Some(TokenTree::Group(attribute)) = tokens.get(index + 1)
        {
            let text = attribute.stream().to_string().replace(' ', "");
            if text == "cfg(test)" || text.starts_with("cfg(all(test") {
                index += 2;
                // Skip to the end of the item.
                while let Some(token) = tokens.get(index) {
                    index += 1;
                    let is_body = matches!(token, TokenTree::Group(group)
                        if group.delimiter() == Delimiter::Brace);
                    if is_body || is_punctuation(Some(token), ';') {
                        break;
                    }
                }
                continue;
            }
        }
        kept.push(tokens[index].clone());
        index += 1;
    }
    kept
}

/// The path of a `#[path = "…"]` attribute at the end of the tokens before a module.
fn path_attribute(before: &[TokenTree]) -> Option<String> {
    let is_visibility = |token: &&TokenTree| is_identifier(token, "pub");
    let before = match before {
        [rest @ .., TokenTree::Ident(_)] => rest,
        [rest @ .., visibility, TokenTree::Group(_)] if is_visibility(&visibility) => rest,
        all => all,
    };
    let [.., TokenTree::Punct(_), TokenTree::Group(attribute)] = before else { return None };
    let text = attribute.stream().to_string();
    let text = text.strip_prefix("path")?.trim_start().strip_prefix('=')?.trim();
    Some(text.trim_matches('"').to_owned())
}

struct Scope<'a> {
    name: &'a Name,
    children: &'a BTreeSet<String>,
    module: &'a mut Module,
}

/// Collects the paths in tokens at any depth, including macros and attributes.
fn collect(tokens: &[TokenTree], scope: &mut Scope<'_>) {
    let mut index = 0;
    while index < tokens.len() {
        match &tokens[index] {
            TokenTree::Group(group) => {
                collect(&without_tests(group.stream()), scope);
            }
            TokenTree::Ident(identifier) => {
                let identifier = identifier.to_string();
                let is_first = index < 2 || !is_punctuation(tokens.get(index - 1), ':');
                if identifier == "use" {
                    let is_export = matches!(
                        tokens[..index].last(),
                        Some(TokenTree::Ident(before)) if before == "pub"
                    ) || matches!(
                        tokens[..index],
                        [.., TokenTree::Ident(ref before), TokenTree::Group(_)] if before == "pub"
                    );
                    let end = (index..tokens.len())
                        .find(|end| is_punctuation(tokens.get(*end), ';'))
                        .unwrap_or(tokens.len());
                    for (alias, path) in use_tree(&tokens[index + 1..end]) {
                        scope.module.identifiers.extend(path.iter().cloned());
                        let Some(path) = absolute(&path, scope) else { continue };
                        if is_export {
                            scope.module.exports.push((alias, path));
                        } else {
                            scope.module.paths.insert(path);
                        }
                    }
                    index = end;
                    continue;
                }
                scope.module.identifiers.insert(identifier);
                if is_first {
                    let path = simple_path(&tokens[index..]);
                    if path.len() > 1
                        && let Some(path) = absolute(&path, scope)
                    {
                        scope.module.paths.insert(path);
                    }
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        index += 1;
    }
}

/// Resolves a path from the root of the crate; `None` if it leads out of the crate or to a local
/// name.
fn absolute(path: &[String], scope: &Scope<'_>) -> Option<Name> {
    let (first, rest) = path.split_first()?;
    let mut name = match first.as_str() {
        "crate" => Name::new(),
        "self" => scope.name.clone(),
        "super" => scope.name[..scope.name.len().checked_sub(1)?].to_vec(),
        child if scope.children.contains(child) => {
            [scope.name.as_slice(), &[child.to_owned()]].concat()
        }
        _ => return None,
    };
    for segment in rest {
        if segment == "super" {
            name.pop()?;
        } else if segment != "self" {
            name.push(segment.clone());
        }
    }
    Some(name)
}

/// The path at the beginning of the tokens.
fn simple_path(tokens: &[TokenTree]) -> Name {
    let mut path = Name::new();
    let mut index = 0;
    while let Some(TokenTree::Ident(segment)) = tokens.get(index) {
        path.push(segment.to_string());
        if !is_punctuation(tokens.get(index + 1), ':')
            || !is_punctuation(tokens.get(index + 2), ':')
        {
            break;
        }
        index += 3;
    }
    path
}

/// The paths of a `use` declaration, each with the name that it introduces.
fn use_tree(tokens: &[TokenTree]) -> Vec<(String, Name)> {
    let mut prefix = Name::new();
    let mut index = 0;
    loop {
        match tokens.get(index) {
            Some(TokenTree::Ident(segment)) => {
                prefix.push(segment.to_string());
                if is_punctuation(tokens.get(index + 1), ':') {
                    index += 3;
                    continue;
                }
                let alias = match (tokens.get(index + 1), tokens.get(index + 2)) {
                    (Some(TokenTree::Ident(_)), Some(TokenTree::Ident(alias))) => alias.to_string(),
                    _ => prefix.last().unwrap().clone(),
                };
                return vec![(alias, prefix)];
            }
            Some(TokenTree::Group(group)) => {
                let tokens: Vec<_> = group.stream().into_iter().collect();
                return tokens
                    .split(|token| is_punctuation(Some(token), ','))
                    .filter(|part| !part.is_empty())
                    .flat_map(use_tree)
                    .map(|(alias, rest)| (alias, [prefix.clone(), rest].concat()))
                    .collect();
            }
            Some(TokenTree::Punct(star)) if star.as_char() == '*' => {
                return vec![("*".to_owned(), prefix)];
            }
            // A path that begins with two colons leads out of the crate.
            _ => return Vec::new(),
        }
    }
}
