//! The sandbox's console in a real browser: headless Chromium, driven through chromedriver.
//!
//! The four calls of the WebDriver protocol that this needs are spoken here: a client library would change the features
//! of what the AWS SDKs stand on, and compile all of them a second time. Where no chromedriver is, the test is skipped.
//! With `SCALEPROOF_SCREENSHOTS=FOLDER` it leaves pictures there.

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use common::skip;
use scaleproof::sandbox::Sandbox;
use serde_json::{Value, json};

const REGION: &str = "eu-west-1";
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";

/// A browser window. It closes when it is dropped.
struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    fn open() -> Result<Self, String> {
        let spawned = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = spawned.map_err(|error| format!("chromedriver cannot be started: {error}"))?;
        let output = BufReader::new(driver.stdout.take().ok_or("chromedriver has no output")?);
        let port = output.lines().map_while(Result::ok).find_map(|line| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port.ok_or("chromedriver names no port")?));
        let mut browser = Self { driver, address, session: String::new() };
        let arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"];
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments},
                            "goog:loggingPrefs": {"browser": "ALL"}}}});
        let session = browser.call("POST", "", &wanted);
        browser.session = session["sessionId"].as_str().ok_or(format!("no session: {session}"))?.to_string();
        Ok(browser)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let session = if self.session.is_empty() { String::new() } else { format!("/{}", self.session) };
        let body = if method == "GET" { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(self.address).expect("chromedriver listens");
        write!(
            stream,
            "{method} /session{session}{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .expect("a request is sent");
        let answer = read_answer(stream);
        let mut json: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{path}: {error}: {answer}"));
        json["value"].take()
    }

    fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    fn run(&self, script: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn element(&self, selector: &str) -> String {
        let found = self.call("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|found| found.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("{selector}: {found}")).to_string()
    }

    /// Scrolls to it first, as a person would: the header may lie over what is at the edge.
    fn click(&self, selector: &str) {
        self.run(&format!("document.querySelector({}).scrollIntoView({{ block: 'center' }})", json!(selector)));
        let clicked = self.call("POST", &format!("/element/{}/click", self.element(selector)), &json!({}));
        assert!(clicked.is_null(), "{selector}: {clicked}");
    }

    fn press(&self, selector: &str, keys: &str) {
        self.call("POST", &format!("/element/{}/value", self.element(selector)), &json!({ "text": keys }));
    }

    /// Chromium's own switches, such as a dark colour scheme.
    fn developer(&self, command: &str, parameters: &Value) {
        self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// Looks until the expression is true; then the page has caught up.
    fn until(&self, expression: &str) {
        let mut last = Value::Null;
        for _ in 0..200 {
            last = self.call(
                "POST",
                "/execute/async",
                &json!({ "args": [], "script": format!(
                    "const done = arguments[0]; const held = () => Boolean({expression}); \
                     if (held()) return done(true); \
                     const seen = new MutationObserver(() => held() && (seen.disconnect(), done(true))); \
                     seen.observe(document.body, {{subtree: true, childList: true, characterData: true, attributes: true}}); \
                     setTimeout(() => done(held()), 1000);") }),
            );
            if last == json!(true) {
                return;
            }
        }
        panic!("{expression} never held: {last}\n{}", self.run("return document.body.innerText"));
    }

    fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("SCALEPROOF_SCREENSHOTS") else { return };
        let png = self.call("GET", "/screenshot", &Value::Null);
        let png = base64::engine::general_purpose::STANDARD.decode(png.as_str().expect("a picture")).expect("base64");
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), png).expect("the folder is there");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The window is chromedriver's child and would outlive it. This may run while a test fails: nothing here panics.
        if let Ok(mut stream) = TcpStream::connect(self.address) {
            let (session, host) = (&self.session, self.address);
            let _ = write!(stream, "DELETE /session/{session} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let _ = stream.read(&mut [0; 64]);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn read_answer(stream: TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("chromedriver answers");
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a whole answer");
    String::from_utf8_lossy(&body).into_owned()
}

/// A group of one machine that scales out over 50 percent, with a person on its topic.
fn stage() -> Sandbox {
    let sandbox = Sandbox::start().expect("a sandbox starts");
    let now = sandbox.now();
    let call = |service: &str, operation: &str, input: Value| {
        let done = sandbox.inspect(|universe| universe.call(now, REGION, service, operation, input));
        done.unwrap_or_else(|refusal| panic!("{operation}: {refusal}"))
    };
    let configuration = json!({"LaunchConfigurationName": "lc", "ImageId": "ami-12c6146b", "InstanceType": "t2.nano",
                               "InstanceMonitoring": {"Enabled": true}});
    call("autoscaling", "CreateLaunchConfiguration", configuration);
    let group = json!({"AutoScalingGroupName": "web", "LaunchConfigurationName": "lc", "MinSize": 1, "MaxSize": 3,
                       "AvailabilityZones": ["eu-west-1a", "eu-west-1b"]});
    call("autoscaling", "CreateAutoScalingGroup", group);
    let policy = json!({"AutoScalingGroupName": "web", "PolicyName": "out", "PolicyType": "SimpleScaling",
                        "AdjustmentType": "ChangeInCapacity", "ScalingAdjustment": 1, "Cooldown": 60});
    let policy = call("autoscaling", "PutScalingPolicy", policy)["PolicyARN"].clone();
    let topic = call("sns", "CreateTopic", json!({"Name": "ops"}))["TopicArn"].clone();
    call("sns", "Subscribe", json!({"TopicArn": topic, "Protocol": "email", "Endpoint": "ops@example.com"}));
    let dimension = json!([{"Name": "AutoScalingGroupName", "Value": "web"}]);
    let alarm = json!({"AlarmName": "cpu-high", "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average",
                       "Dimensions": dimension, "Period": 60, "EvaluationPeriods": 1, "Threshold": 50.0,
                       "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [policy, topic]});
    call("cloudwatch", "PutMetricAlarm", alarm);
    sandbox.advance(Duration::from_secs(600));
    sandbox
}

#[test]
fn the_console_shows_the_loop_and_acts_on_it() {
    let browser = match Browser::open() {
        Ok(browser) => browser,
        Err(why) => return skip("the_console_shows_the_loop_and_acts_on_it", why),
    };
    let sandbox = stage();
    browser.go(&sandbox.url());
    let text = |words: &str| format!("document.body.innerText.includes({})", json!(words));

    browser.until("document.querySelector('#groups h3')?.textContent === 'web'");
    browser.until(&text("1 in service, 1 wanted, 1 to 3 allowed"));
    browser.until(&text("the clock stands still"));

    browser.click("button[aria-label='Confirm ops@example.com']");
    browser.until("!document.querySelector('#pending button')");

    browser.click("button[aria-label='Put load on web']");
    browser.press("[data-clock*='5m']", ENTER);
    browser.until("document.querySelector('#alarms .state').textContent === 'ALARM'");
    browser.until("document.querySelector('#news').textContent.includes('cpu-high is ALARM')");
    browser.until(&text("a monitor alarm cpu-high in state ALARM triggered policy out"));
    browser.until("document.querySelector('#mailbox summary').textContent.includes('ALARM: \"cpu-high\"')");
    browser.until("document.querySelectorAll('#groups tbody tr').length >= 2");
    browser.picture("light");

    browser.click("#groups tbody button");
    browser.click("[data-clock*='5m']");
    browser.until(&text("EC2 instance status check failure"));

    assert_eq!(browser.run(LOOKS_RIGHT), json!([]));
    assert_eq!(browser.run(OTHER_HOSTS), json!([]));
    focus_goes_round(&browser);
    dark_and_narrow(&browser);
    let log = browser.call("POST", "/se/log", &json!({"type": "browser"}));
    assert_eq!(log, json!([]), "the browser has nothing to complain about");
}

/// What a screen reader would stumble over: controls without a name, pictures without words.
const LOOKS_RIGHT: &str = "
    const named = (element) => (element.getAttribute('aria-label') || element.textContent || element.labels?.[0]?.textContent || '').trim();
    const controls = [...document.querySelectorAll('button, select, input, svg')];
    return controls.filter((element) => !named(element)).map((element) => element.outerHTML.slice(0, 100));";

const OTHER_HOSTS: &str = "
    return performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => !name.startsWith(location.origin));";

/// The clock's buttons are the first stops of the tab key, in their order.
fn focus_goes_round(browser: &Browser) {
    browser.run("document.activeElement.blur(); document.body.tabIndex = -1; document.body.focus();");
    for expected in ["Pause", "Real time", "60 ×"] {
        let keys = json!({"actions": [{"type": "key", "id": "keyboard",
            "actions": [{"type": "keyDown", "value": TAB}, {"type": "keyUp", "value": TAB}]}]});
        browser.call("POST", "/actions", &keys);
        assert_eq!(browser.run("return document.activeElement.textContent"), json!(expected));
    }
}

fn dark_and_narrow(browser: &Browser) {
    let scheme = |scheme: &str| json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    let background = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.run(background);
    browser.developer("Emulation.setEmulatedMedia", &scheme("dark"));
    assert_ne!(browser.run(background), light);
    browser.picture("dark");
    let phone = json!({"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true});
    browser.developer("Emulation.setDeviceMetricsOverride", &phone);
    let overflow = "return document.documentElement.scrollWidth - window.innerWidth";
    assert_eq!(browser.run(overflow), json!(0), "a phone need not scroll sideways");
    browser.picture("phone");
}
