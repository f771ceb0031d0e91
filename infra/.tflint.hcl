# The bundled rules, all but one; nothing is fetched.
plugin "terraform" {
  enabled = true
  preset  = "all"
}

# The files are named after what they hold; a main.tf would be a second place for it.
rule "terraform_standard_module_structure" {
  enabled = false
}
