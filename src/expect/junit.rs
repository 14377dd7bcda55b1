//! Results as JUnit's XML, which CI systems show. Start at [`junit`].

use std::fmt::Write as _;

use crate::simulate::chart::escape::escape;

/// One test for JUnit.
#[derive(Debug, Clone)]
pub struct JunitCase {
    /// The file that the test stands in.
    pub suite: String,
    pub name: String,
    /// The first line and everything, for a test that failed.
    pub failure: Option<(String, String)>,
}

/// One document: a suite for each file, in the order of the tests.
pub fn junit(cases: &[JunitCase]) -> String {
    let failed = |cases: &[&JunitCase]| cases.iter().filter(|case| case.failure.is_some()).count();
    let all: Vec<&JunitCase> = cases.iter().collect();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites name=\"scaleproof\" tests=\"{}\" failures=\"{}\">", all.len(), failed(&all));
    let mut suites: Vec<&str> = cases.iter().map(|case| case.suite.as_str()).collect();
    suites.dedup();
    for suite in suites {
        let cases: Vec<&JunitCase> = cases.iter().filter(|case| case.suite == suite).collect();
        let (count, failed) = (cases.len(), failed(&cases));
        let name = escape(suite);
        let _ = writeln!(text, "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\">");
        cases.iter().for_each(|case| text.push_str(&case_element(case)));
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn case_element(case: &JunitCase) -> String {
    let (suite, name) = (escape(&case.suite), escape(&case.name));
    match &case.failure {
        None => format!("    <testcase classname=\"{suite}\" name=\"{name}\"/>\n"),
        Some((message, details)) => format!(
            "    <testcase classname=\"{suite}\" name=\"{name}\">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
            escape(message),
            escape(details)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_counts_and_escapes() {
        let case = |suite: &str, name: &str, failure: Option<(&str, &str)>| JunitCase {
            suite: suite.into(),
            name: name.into(),
            failure: failure.map(|(line, all)| (line.into(), all.into())),
        };
        let text = junit(&[
            case("a&b.test.yaml", "one", None),
            case("a&b.test.yaml", "two", Some(("x is 1, expected \"2\"", "x < 2\n\u{1b}[0m"))),
            case("c.yaml", "three", None),
        ]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"scaleproof\" tests=\"3\" failures=\"1\">
  <testsuite name=\"a&amp;b.test.yaml\" tests=\"2\" failures=\"1\">
    <testcase classname=\"a&amp;b.test.yaml\" name=\"one\"/>
    <testcase classname=\"a&amp;b.test.yaml\" name=\"two\">
      <failure message=\"x is 1, expected &quot;2&quot;\">x &lt; 2\n?[0m</failure>
    </testcase>
  </testsuite>
  <testsuite name=\"c.yaml\" tests=\"1\" failures=\"0\">
    <testcase classname=\"c.yaml\" name=\"three\"/>
  </testsuite>
</testsuites>
";
        assert_eq!(text, expected);
    }
}
