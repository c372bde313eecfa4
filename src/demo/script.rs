//! What the scripted model says: the prompt's own facts in the form that was asked for, and nothing it made up.

const FIRST: &str = "This is the demo's scripted model speaking, not a language model: it repeats the computed facts.";

/// The facts of a prompt: lines that begin with `E` and a number.
fn facts(prompt: &str) -> Vec<(&str, &str)> {
    prompt
        .lines()
        .filter_map(|line| {
            let line = line.trim_start_matches([' ', '-', '*', '[']);
            let digits = line.strip_prefix('E')?.bytes().take_while(u8::is_ascii_digit).count();
            let (number, text) = line.split_at_checked(1 + digits).filter(|_| digits > 0)?;
            let text = text.trim_start_matches([']', ':', '.', ' ']).trim_end();
            (!text.is_empty() && text.len() < line.len() - digits).then_some((number, text))
        })
        .collect()
}

/// The whole answer to a prompt.
pub(super) fn text(prompt: &str) -> String {
    let facts = facts(prompt);
    let Some((number, first)) = facts.first() else {
        return format!(
            "{FIRST}\n\nSUMMARY: The prompt holds no numbered facts, so there is nothing to repeat.\n\n\
             CAUSES: inconclusive.\n\nRECOMMENDATIONS:\n- Ask again about an anomaly.\n\nCONFIDENCE: low"
        );
    };
    let mut out = format!("{FIRST}\n\nSUMMARY: {} [{number}]\n\nCAUSES:\n", sentence(first));
    for (n, (number, fact)) in (1..).zip(causes(&facts)) {
        out.push_str(&format!("{n}. {} [{number}]\n", sentence(fact)));
    }
    out.push_str(
        "\nRECOMMENDATIONS:\n- Look at the longest span on the critical path first, and at what its service waited for.\n\
         - Compare with a trace of the same operation that was as fast as usual.\n\
         - Check what was released or reconfigured shortly before.\n\n\
         CONFIDENCE: low, because a script weighs nothing. Point spanwatch at a real Ollama for an opinion.",
    );
    out
}

/// Up to three facts that speak of a cause, in the words evidence uses; else those after the first.
fn causes<'a>(facts: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    const TELLING: [&str; 9] =
        ["critical path", "self time", "own work", "waited", "queue", "error", "failed", "release", "above"];
    let rest = facts.get(1..).unwrap_or_default();
    let mut telling: Vec<_> = rest
        .iter()
        .copied()
        .filter(|(_, fact)| TELLING.iter().any(|word| fact.to_lowercase().contains(word)))
        .collect();
    if telling.is_empty() {
        telling = rest.to_vec();
    }
    if telling.is_empty() {
        telling = facts.to_vec();
    }
    telling.truncate(3);
    telling
}

fn sentence(fact: &str) -> String {
    if fact.ends_with(['.', '!', '?']) { fact.to_owned() } else { format!("{fact}.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_is_and_repeats_only_facts() {
        let prompt = "Attributes:\n- Error = 3\nFacts:\nE1 order.match took 560ms, 6.2 times its mean.\n\
                      E2 order.match holds 91% of the critical path\nE3 CPU of order-matcher is unremarkable.\nEvery line";
        let text = text(prompt);
        assert!(text.split('.').next().unwrap().contains("scripted model"), "{text}");
        assert!(text.contains("SUMMARY: order.match took 560ms, 6.2 times its mean. [E1]"), "{text}");
        assert!(text.contains("1. order.match holds 91% of the critical path. [E2]"), "{text}");
        assert!(!text.contains("Every") && !text.contains("Error ="), "{text}");
    }

    #[test]
    fn without_facts_it_is_inconclusive() {
        assert!(text("Why?").contains("inconclusive"));
    }
}
