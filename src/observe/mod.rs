//! What the server says about itself: INFO.
