"""Users and their API tokens."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    """Creates users; e-mail addresses are stored in lower case so that logins cannot be confused."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        return self.create_user(email, password, is_superuser=True, is_staff=True, **extra)


class User(AbstractBaseUser, PermissionsMixin):
    """A person. ``is_superuser`` administers the installation; everything else comes from memberships."""

    THEMES = (("system", "Match the system"), ("light", "Light"), ("dark", "Dark"))

    email = models.EmailField(unique=True, max_length=254)
    name = models.CharField(max_length=128, blank=True, default="")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(default=timezone.now)
    last_active = models.DateTimeField(null=True, blank=True)
    theme = models.CharField(max_length=8, choices=THEMES, default="system")
    timezone = models.CharField(max_length=64, default="UTC")
    has_default_password = models.BooleanField(
        default=False, help_text="True until the well-known first password is changed; every page warns about it."
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects = UserManager()

    class Meta:
        db_table = "account_user"

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        return self.name or self.email

    @property
    def username(self) -> str:
        return self.email

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return "".join(word[0] for word in words[:2]).upper()


class ApiToken(models.Model):
    """A user auth token (``sntryu_`` + 64 hex). Only its SHA-256 is stored; the text is shown once."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=128, blank=True, default="")
    token_hash = models.CharField(max_length=64, unique=True)
    last_characters = models.CharField(max_length=8)
    scopes = models.JSONField(default=list)
    date_created = models.DateTimeField(default=timezone.now)
    date_last_used = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "account_apitoken"

    def __str__(self) -> str:
        return f"{self.name or 'token'} …{self.last_characters}"


class SignInFailures(models.Model):
    """Failed sign-ins within a window, by the hash of an e-mail or a client address."""

    key = models.CharField(max_length=64, unique=True)
    failures = models.PositiveIntegerField(default=0)
    window_start = models.DateTimeField()

    class Meta:
        db_table = "account_signinfailures"
        indexes = [models.Index(fields=["window_start"], name="failures_by_window")]

    def __str__(self) -> str:
        return f"{self.failures} since {self.window_start:%H:%M}"
