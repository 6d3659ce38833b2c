//! A conformance suite for WHEP and WHIP servers (RFC 9725 and the WHEP draft): HTTP only, against any server by its address.
//!
//! Each check says what it asked and what came back. It brings its own HTTP client, so that every byte is its own.

pub mod http;
mod offer;

use http::{Answer, Request};
use offer::{OTHER_USER, USER, fragment, offer};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Which of the two protocols a server speaks at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Viewers.
    Whep,
    /// Publishers.
    Whip,
}

/// One check and what came of it.
#[derive(Debug)]
pub struct Check {
    /// What is asked for.
    pub name: &'static str,
    /// What is wrong, when something is.
    pub fault: Option<String>,
}

/// What a check does: an error says what was found instead.
type Rule = fn(&Suite) -> Result<(), String>;

/// Runs every check against an endpoint such as `http://127.0.0.1:8000/whep/live`.
pub fn run(endpoint: &str, protocol: Protocol) -> Vec<Check> {
    let suite = Suite {
        endpoint: endpoint.to_owned(),
        protocol,
    };
    let checks: [(&'static str, Rule); 17] = [
        ("OPTIONS names what may be posted", Suite::options),
        (
            "an offer is answered with 201, Location and ETag",
            Suite::answered,
        ),
        ("the answer fits the offer", Suite::answer_fits),
        ("another content type is 415", Suite::content_type),
        ("a body that is no SDP is 4xx", Suite::no_sdp),
        ("sections without a bundle are refused", Suite::no_bundle),
        ("an answer that is not taken is 406", Suite::not_acceptable),
        ("a body too large is 413", Suite::too_large),
        (
            "other methods on the endpoint are 405",
            Suite::endpoint_methods,
        ),
        ("candidates are taken with 204", Suite::trickle),
        (
            "candidates without If-Match are 428",
            Suite::no_precondition,
        ),
        (
            "candidates of another ICE session are 412",
            Suite::other_session,
        ),
        ("candidates in another type are 415", Suite::fragment_type),
        ("a broken fragment is 400", Suite::broken_fragment),
        ("an ICE restart is answered or 422", Suite::restart),
        (
            "other methods on the resource are 405",
            Suite::resource_methods,
        ),
        ("DELETE ends it, and once", Suite::deleted),
    ];
    let mut done: Vec<Check> = checks
        .into_iter()
        .map(|(name, check)| Check {
            name,
            fault: check(&suite).err(),
        })
        .collect();
    if protocol == Protocol::Whip {
        done.push(Check {
            name: "a second publisher is 409",
            fault: suite.second_publisher().err(),
        });
    }
    done
}

struct Suite {
    endpoint: String,
    protocol: Protocol,
}

/// A resource that is deleted when a check is through with it.
struct Resource {
    url: String,
    etag: String,
    answer: String,
}

impl Drop for Resource {
    fn drop(&mut self) {
        // A check may have deleted it already.
        let _ = Request::new("DELETE", &self.url).send();
    }
}

impl Suite {
    fn offer(&self) -> String {
        offer(self.protocol)
    }

    fn post(&self, content_type: &str, body: &str) -> Result<Answer, String> {
        Request::new("POST", &self.endpoint)
            .header("content-type", content_type)
            .body(body)
            .send()
    }

    fn open(&self) -> Result<Resource, String> {
        let answer = self.post(SDP, &self.offer())?;
        answer.expect(&[201])?;
        let location = answer.header("location").ok_or("no Location")?;
        let etag = answer.header("etag").ok_or("no ETag")?;
        Ok(Resource {
            url: http::resolve(&self.endpoint, location),
            etag: etag.to_owned(),
            answer: answer.body.clone(),
        })
    }

    fn patch(
        resource: &Resource,
        etag: Option<&str>,
        kind: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let mut request = Request::new("PATCH", &resource.url).header("content-type", kind);
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        request.body(body).send()
    }

    fn options(&self) -> Result<(), String> {
        let answer = Request::new("OPTIONS", &self.endpoint).send()?;
        answer.expect(&[200, 204])?;
        answer.expect_header("accept-post", SDP)
    }

    fn answered(&self) -> Result<(), String> {
        let answer = self.post(SDP, &self.offer())?;
        answer.expect(&[201])?;
        answer.expect_header("content-type", SDP)?;
        let location = answer.header("location").ok_or("no Location")?;
        let etag = answer.header("etag").ok_or("no ETag")?;
        let url = http::resolve(&self.endpoint, location);
        Request::new("DELETE", &url).send()?.expect(&[200])?;
        if !etag.starts_with('"') {
            return Err(format!("ETag {etag} is not a strong one"));
        }
        Ok(())
    }

    fn answer_fits(&self) -> Result<(), String> {
        let resource = self.open()?;
        let (asked, said) = (self.offer(), resource.answer.as_str());
        let count =
            |text: &str, prefix: &str| text.lines().filter(|l| l.starts_with(prefix)).count();
        let mids = |text: &str| -> Vec<String> {
            let mids = text.lines().filter_map(|l| l.strip_prefix("a=mid:"));
            mids.map(|mid| mid.trim().to_owned()).collect()
        };
        if count(&asked, "m=") != count(said, "m=") || mids(&asked) != mids(said) {
            return Err(format!("its sections are others: {said}"));
        }
        let direction = match self.protocol {
            Protocol::Whep => "a=sendonly",
            Protocol::Whip => "a=recvonly",
        };
        let setup = ["a=setup:active", "a=setup:passive"];
        for wanted in [
            direction,
            "a=fingerprint:",
            "a=ice-ufrag:",
            "a=group:BUNDLE",
        ] {
            if count(said, wanted) == 0 {
                return Err(format!("no {wanted} in {said}"));
            }
        }
        if !said.lines().any(|line| setup.contains(&line.trim_end())) {
            return Err("no DTLS role".to_owned());
        }
        Ok(())
    }

    fn content_type(&self) -> Result<(), String> {
        for kind in ["text/plain", "application/json", FRAGMENT] {
            self.post(kind, &self.offer())?.expect(&[415])?;
        }
        let bare = Request::new("POST", &self.endpoint).body(&self.offer());
        bare.send()?.expect(&[415])
    }

    fn no_sdp(&self) -> Result<(), String> {
        for body in [
            "",
            "hello",
            "v=0\r\n",
            "{\"sdp\":\"v=0\"}",
            "v=0\r\nm=\0\r\n",
        ] {
            self.post(SDP, body)?.expect(&[400, 422])?;
        }
        Ok(())
    }

    fn no_bundle(&self) -> Result<(), String> {
        let offer = self.offer().replace("a=group:BUNDLE", "a=x-group");
        self.post(SDP, &offer)?.expect(&[400, 406, 422])
    }

    fn not_acceptable(&self) -> Result<(), String> {
        let request = Request::new("POST", &self.endpoint)
            .header("content-type", SDP)
            .header("accept", "text/html")
            .body(&self.offer());
        request.send()?.expect(&[406])
    }

    fn too_large(&self) -> Result<(), String> {
        let offer = format!(
            "{}{}",
            self.offer(),
            "a=x-padding:0123456789\r\n".repeat(5_000)
        );
        self.post(SDP, &offer)?.expect(&[413])
    }

    fn endpoint_methods(&self) -> Result<(), String> {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            let answer = Request::new(method, &self.endpoint).send()?;
            answer
                .expect(&[405])
                .map_err(|e| format!("{method}: {e}"))?;
            answer.expect_header("allow", "POST")?;
        }
        Ok(())
    }

    fn trickle(&self) -> Result<(), String> {
        let resource = self.open()?;
        let body = fragment(USER);
        Self::patch(&resource, Some(&resource.etag), FRAGMENT, &body)?.expect(&[204])
    }

    fn no_precondition(&self) -> Result<(), String> {
        let resource = self.open()?;
        Self::patch(&resource, None, FRAGMENT, &fragment(USER))?.expect(&[428])
    }

    fn other_session(&self) -> Result<(), String> {
        let resource = self.open()?;
        let body = fragment(USER);
        Self::patch(&resource, Some("\"another\""), FRAGMENT, &body)?.expect(&[412])
    }

    fn fragment_type(&self) -> Result<(), String> {
        let resource = self.open()?;
        let body = fragment(USER);
        Self::patch(&resource, Some(&resource.etag), SDP, &body)?.expect(&[415])
    }

    fn broken_fragment(&self) -> Result<(), String> {
        let resource = self.open()?;
        for body in ["", "candidates", "a=mid:0\r\n"] {
            Self::patch(&resource, Some(&resource.etag), FRAGMENT, body)?.expect(&[400])?;
        }
        Ok(())
    }

    fn restart(&self) -> Result<(), String> {
        let resource = self.open()?;
        let answer = Self::patch(&resource, Some("*"), FRAGMENT, &fragment(OTHER_USER))?;
        answer.expect(&[200, 422])?;
        if answer.status == 200 {
            answer.expect_header("content-type", FRAGMENT)?;
        }
        Ok(())
    }

    fn resource_methods(&self) -> Result<(), String> {
        let resource = self.open()?;
        for method in ["GET", "HEAD", "PUT", "POST"] {
            let answer = Request::new(method, &resource.url).send()?;
            answer
                .expect(&[405])
                .map_err(|e| format!("{method}: {e}"))?;
        }
        let options = Request::new("OPTIONS", &resource.url).send()?;
        options.expect(&[200, 204])
    }

    fn deleted(&self) -> Result<(), String> {
        let resource = self.open()?;
        let delete = || Request::new("DELETE", &resource.url).send();
        delete()?.expect(&[200])?;
        delete()?.expect(&[404])?;
        let body = fragment(USER);
        Self::patch(&resource, Some(&resource.etag), FRAGMENT, &body)?.expect(&[404])
    }

    fn second_publisher(&self) -> Result<(), String> {
        let _first = self.open()?;
        self.post(SDP, &self.offer())?.expect(&[409])
    }
}
