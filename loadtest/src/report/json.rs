//! The report as JSON: every field of [`Report`], under its name.

use super::Report;

/// Returns the report as a JSON document.
pub fn render(report: &Report) -> String {
    match serde_json::to_string_pretty(report) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("a report has only strings for keys: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_names_and_values() {
        let text = render(&super::super::tests::sample());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["requests"], 5002);
        assert_eq!(value["load"]["rate"], 5000.0);
        assert_eq!(value["commands"][1]["name"], "set");
        assert!(value["commands"][1]["curve"].as_array().unwrap().len() > 3);
        assert_eq!(value["timeline"].as_array().unwrap().len(), 2);
    }
}
