//! Methods that build a rule list.

use super::index::List;
use super::operations::Operations;
use super::{Base, Rule, RuleError, Rules, parse};

impl Rules {
    /// Allows everything that no rule denies. A rule that denies an address also
    /// closes the ways around it: see [`Rules`].
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny("169.254.169.254")?;
    /// # drop(rules);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_all() -> Self {
        Self::new(Base::Everything)
    }

    /// Denies everything that no rule allows.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow("example.com:443")?;
    /// # drop(rules);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_all() -> Self {
        Self::new(Base::Nothing)
    }

    /// Allows to connect, send, bind and listen on loopback, and to look up
    /// `localhost` and the names below it; denies everything else that no rule
    /// allows.
    ///
    /// Loopback is `127.0.0.0/8` and `::1`. For connecting and sending it includes
    /// `0.0.0.0` and `::`; binding to these would mean all interfaces. No other address is
    /// open, whatever the names lead to.
    ///
    /// ```
    /// use rustpython_socket::{Operation, Policy, Rules, Target};
    /// use std::net::SocketAddr;
    ///
    /// let bind = |address: &str| {
    ///     let address: SocketAddr = address.parse().unwrap();
    ///     Rules::loopback_only().check(Operation::Bind, &Target::address(address))
    /// };
    /// assert!(bind("127.0.0.1:0").is_ok());
    /// assert!(bind("0.0.0.0:0").is_err());
    /// ```
    pub fn loopback_only() -> Self {
        Self::new(Base::Loopback)
    }

    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            allow: List::default(),
            deny: List::default(),
        }
    }

    /// Adds a rule that allows.
    ///
    /// ```
    /// use rustpython_socket::{Rule, Rules};
    ///
    /// let rule: Rule = "example.com:443".parse()?;
    /// assert_eq!(Rules::deny_all().allow_rule(rule), Rules::deny_all().allow("example.com:443")?);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_rule(mut self, rule: Rule) -> Self {
        self.allow.push(rule);
        self
    }

    /// Adds a rule that denies.
    ///
    /// ```
    /// use rustpython_socket::{Rule, Rules};
    ///
    /// let rule: Rule = "10.0.0.0/8".parse()?;
    /// assert_eq!(Rules::allow_all().deny_rule(rule), Rules::allow_all().deny("10.0.0.0/8")?);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_rule(mut self, rule: Rule) -> Self {
        self.deny.push(rule);
        self
    }

    /// Adds a rule that allows, as text.
    ///
    /// Without operations the rule is for all operations of its target except `bind`.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no rule.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow("example.com:443")?.allow("bind=127.0.0.1:8080")?;
    /// # drop(rules);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow(self, rule: &str) -> Result<Self, RuleError> {
        Ok(self.allow_rule(parse::rule(rule)?))
    }

    /// Adds a rule that denies, as text.
    ///
    /// Without operations the rule is for all operations of its target.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no rule.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny("10.0.0.0/8")?.deny("connect+send=:25")?;
    /// # drop(rules);
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny(self, rule: &str) -> Result<Self, RuleError> {
        Ok(self.deny_rule(parse::rule(rule)?))
    }

    /// Allows connecting to a target, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow_connect("example.com:443")?;
    /// assert_eq!(rules.to_string(), "deny all\nallow connect=example.com:443");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_connect(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.allow_rule(parse::target(target, Operations::CONNECT)?))
    }

    /// Allows binding to a target and listening on it, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow_bind("127.0.0.1:8000-8999")?;
    /// assert_eq!(rules.to_string(), "deny all\nallow bind=127.0.0.1:8000-8999");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_bind(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.allow_rule(parse::target(target, Operations::BIND)?))
    }

    /// Allows sending datagrams to a target, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow_send("192.0.2.1:53")?;
    /// assert_eq!(rules.to_string(), "deny all\nallow send=192.0.2.1:53");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_send(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.allow_rule(parse::target(target, Operations::SEND)?))
    }

    /// Allows looking a host up, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::deny_all().allow_resolve("*.example.com")?;
    /// assert_eq!(rules.to_string(), "deny all\nallow resolve=*.example.com");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn allow_resolve(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.allow_rule(parse::target(target, Operations::RESOLVE)?))
    }

    /// Denies connecting to a target, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny_connect("10.0.0.0/8")?;
    /// assert_eq!(rules.to_string(), "allow all\ndeny connect=10.0.0.0/8");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_connect(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.deny_rule(parse::target(target, Operations::CONNECT)?))
    }

    /// Denies binding to a target and listening on it, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny_bind(":1-1023")?;
    /// assert_eq!(rules.to_string(), "allow all\ndeny bind=:1-1023");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_bind(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.deny_rule(parse::target(target, Operations::BIND)?))
    }

    /// Denies sending datagrams to a target, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny_send("255.255.255.255")?;
    /// assert_eq!(rules.to_string(), "allow all\ndeny send=255.255.255.255");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_send(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.deny_rule(parse::target(target, Operations::SEND)?))
    }

    /// Denies looking a host up, which is written without operations.
    ///
    /// # Errors
    ///
    /// A [`RuleError`] if the text is no target that has this operation.
    ///
    /// ```
    /// use rustpython_socket::Rules;
    ///
    /// let rules = Rules::allow_all().deny_resolve("*.internal")?;
    /// assert_eq!(rules.to_string(), "allow all\ndeny resolve=*.internal");
    /// # Ok::<(), rustpython_socket::RuleError>(())
    /// ```
    pub fn deny_resolve(self, target: &str) -> Result<Self, RuleError> {
        Ok(self.deny_rule(parse::target(target, Operations::RESOLVE)?))
    }
}
