"""The driver of one pool inside a Ray cluster: it keeps one worker of nightshift in every slot that is named. docs/ray-driver.md has its rules."""
